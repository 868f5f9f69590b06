"""rnnstudio: train recurrent networks on your own text and watch the writing evolve."""

__version__ = "0.1.0"

from rnnstudio.api import Loaded, Sample, Score, load, resume, train

__all__ = ["Loaded", "Sample", "Score", "__version__", "load", "resume", "train"]
