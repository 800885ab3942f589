"""All that is not the lecture's subject. To be imported before TensorFlow, for these two calls."""

from . import processor, terminal

terminal.open_standard_descriptors()
processor.choose_arithmetic()
