"""Writing with a model: filters on what may be drawn, the sampler of many streams, beam search."""
