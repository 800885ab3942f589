"""What the network sees: its layers, found in the graph, and drawn as one picture."""

import io

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image, ImageDraw, ImageFont, ImageOps

# what `find` finds, in this order; None is the number of digits
SHAPES = {
    'conv1': [None, 28, 28, 32],  # after bias and ReLU
    'pool1': [None, 14, 14, 32],
    'conv2': [None, 14, 14, 64],
    'pool2': [None, 7, 7, 64],
    'fc1': [None, 512],
    'y': [None, 10],  # as probabilities
    'conv1_w': [5, 5, 1, 32],
    'conv1_b': [32],
}

# the picture: pixels, and the colours of the page
COLUMNS, TILE, GAP, MARGIN, LINE = 16, 56, 4, 24, 22
WIDTH = COLUMNS * (TILE + GAP) - GAP
SCALES = {'digit': 4, 'conv1': 2, 'pool1': 4, 'conv2': 4, 'pool2': 8, 'fc1': 14}
PAPER, CELL, INK = '#faf8f4', '#ede9e2', '#26262e'
BLUE, ORANGE = '#165e83', '#be4a28'


class NetworkError(Exception):
    """The graph is of another network; one line says how it differs."""

    exit_status = 1


def find(x, y):
    """Returns {name: tensor}, as SHAPES has them, of the graph from digits x to logits y.

    They are found by the types of their operations. Raises NetworkError.
    """
    operations = x.graph.get_operations()
    layers = [op.outputs[0] for op in operations if op.type in ('Relu', 'MaxPool')]
    inputs = [op.inputs[1] for op in operations if op.type in ('Conv2D', 'BiasAdd')]
    tensors = [*layers, tf.nn.softmax(y), *inputs[:2]]
    shapes = [tensor.shape.as_list() for tensor in tensors]
    if shapes != list(SHAPES.values()):
        line = 'mnist_lenet5_forward.py: is not the network that the app draws; its layers are %s, '
        raise NetworkError((line + 'and not %s') % (shapes, list(SHAPES.values())))
    return dict(zip(SHAPES, tensors))


def look(sess, x, tensors, digit):
    """Returns {name: array, float32} of one digit [28, 28]: itself, and each of the tensors without
    the dimensions of 1.
    """
    values = sess.run(tensors, feed_dict={x: digit.reshape(1, 28, 28, 1)})
    return dict({name: value.squeeze() for name, value in values.items()}, digit=digit)


def png(values):
    """Returns the PNG file of a picture of what `look` returns: the maps of each layer, in the
    order of the graph's kernels, the largest value of a layer being ink; and the probabilities.
    """
    maps = dict(values, digit=values['digit'][..., np.newaxis])
    maps['fc1'] = values['fc1'].reshape(COLUMNS, 8, 4).transpose(1, 2, 0)
    sheet = Image.new('RGB', (WIDTH + 2 * MARGIN, 1600), PAPER)
    top = MARGIN
    for name, scale in SCALES.items():
        shape = ' x '.join(map(str, values[name].shape))
        _write(sheet, top, '%s  %s' % (name, shape), INK)
        top += LINE
        levels = 255 * maps[name] / max(maps[name].max(), 1e-9)
        height, width, n = levels.shape
        for i in range(n):
            tile = Image.fromarray(levels[..., i].round().astype(np.uint8))
            tile = tile.resize((width * scale, height * scale), Image.NEAREST)
            place = MARGIN + i % COLUMNS * (TILE + GAP), top + i // COLUMNS * (tile.height + GAP)
            sheet.paste(ImageOps.colorize(tile, CELL, INK), place)
        top += -(-n // COLUMNS) * (tile.height + GAP)
    _write(sheet, top, 'y  10', INK)
    for digit, probability in enumerate(values['y']):
        top += LINE
        ink = ORANGE if digit == values['y'].argmax() else BLUE
        bar = Image.new('RGB', (WIDTH - 100, LINE - GAP), CELL)
        bar.paste(ink, (0, 0, int(round(bar.width * probability)), bar.height))
        sheet.paste(bar, (MARGIN + 24, top))
        _write(sheet, top, str(digit), ink)
        _write(sheet, top, '%.1f%%' % (100 * probability), ink, right=True)
    file = io.BytesIO()
    sheet.crop((0, 0, sheet.width, top + LINE + MARGIN)).save(file, 'PNG')
    return file.getvalue()


def _write(sheet, top, text, ink, right=False):
    """Writes a line of text at the left or the right margin."""
    try:
        font, scale = ImageFont.load_default(16), 1
    except TypeError:  # before Pillow 10.1 it has one size, of 11 pixels
        font, scale = ImageFont.load_default(), 2
    mask = Image.new('L', (WIDTH, LINE))
    ImageDraw.Draw(mask).text((0, 0), text, 255, font)
    mask = mask.resize((WIDTH * scale, LINE * scale), Image.NEAREST)
    mask = mask.crop((0, 0, mask.getbbox()[2], LINE))
    sheet.paste(ink, (MARGIN + WIDTH - mask.width if right else MARGIN, top), mask)
