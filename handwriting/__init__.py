"""Your own handwriting: a picture becomes a digit of MNIST's form, and a page shows what the
network sees in it.
"""
