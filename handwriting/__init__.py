"""Your own handwriting becomes digits of MNIST's form, and a page shows what the network sees."""
