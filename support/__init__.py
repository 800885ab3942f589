"""All that is not the lecture's subject. To be imported before TensorFlow, for `processor`."""

from . import processor

processor.choose_arithmetic()
