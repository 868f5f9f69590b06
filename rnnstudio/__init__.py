"""rnnstudio: train recurrent networks on your own text and watch the writing evolve."""

__version__ = "0.1.0"
