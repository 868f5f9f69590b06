"""What learns and writes: tokenizers, token files, cells, model, training, sampling, evaluation.

Dimension letters used in every shape comment of this package:

=====  ==============================================
``T``  time steps (the length of a BPTT window)
``B``  lanes: the streams of text read side by side (the batch)
``V``  vocabulary size
``E``  embedding size
``H``  hidden size
``L``  layers
=====  ==============================================

Importing this package loads nothing heavy; the modules that need torch import it.
"""
