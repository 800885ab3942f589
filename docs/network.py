"""Draws docs/network.png, the network with its sizes, out of the graph that forward() builds.

    python docs/network.py

needs matplotlib. Every size, window and number of parameters is read from the graph. The feature
maps are drawn to one scale with the windows on them, and the lines of nodes to another.
"""

import io
import os
import sys
from types import SimpleNamespace

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import pictures

import matplotlib.pyplot as plt
import tensorflow.compat.v1 as tf
from matplotlib.collections import LineCollection
from PIL import Image

import mnist_lenet5_forward as lenet5

PICTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'network.png')

# the operations that begin a layer: its name, and what they do
BEGINNINGS = {
    'Conv2D': ('conv', '%d×%d convolution'),
    'MaxPool': ('pool', '%d×%d max pooling'),
    'Reshape': ('', 'flattened into one line'),
    'MatMul': ('fc', 'fully connected'),
}
FURTHER = {'Relu': 'ReLU', 'RandomUniform': 'dropout'}  # and those that go on with it

# all lengths are in pixels of a page on which the picture is this wide
WIDTH, MARGIN, FONT = 800, 30, 20
SHAPES, DRAWING, WORDS = 109, 240, 324  # where these columns begin
GAP = 50  # between two layers
PIXEL = 2.5  # the side of a pixel of a feature map
LINE = 8  # the height of a line of nodes
CLASS = 28  # the side of an output node
DPI = 200  # two pixels of the file to one of a page, whose screen may have as many

PAPER, CELL, DIAGONAL, INK, BLUE, ORANGE = (
    [level / 255 for level in getattr(pictures, name)]
    for name in ('PAPER', 'CELL', 'DIAGONAL', 'INK', 'BLUE', 'ORANGE')
)


def network_layers():
    """Returns the layers of the network in training, x first, and its number of parameters.

    A layer has a name, the `shape` of its result for one digit, what is done for it in `words`,
    the `window` that this looks through, [rows, columns] or None, and the number of `parameters`.
    """
    with tf.Graph().as_default() as graph:
        tf.get_variable_scope().set_use_resource(True)
        shape = [lenet5.IMAGE_SIZE, lenet5.IMAGE_SIZE, lenet5.NUM_CHANNELS]
        lenet5.forward(tf.placeholder(tf.float32, [None, *shape]), True, None)
        total = sum(variable.shape.num_elements() for variable in tf.trainable_variables())
    layers = [SimpleNamespace(name='x', shape=shape, words='', window=None, parameters=0)]
    for op in graph.get_operations():
        if op.type in BEGINNINGS:
            name, words = BEGINNINGS[op.type]
            window = None
            if op.type == 'Conv2D':
                window = op.inputs[1].shape.as_list()[:2]
            elif op.type == 'MaxPool':
                window = list(op.get_attr('ksize'))[1:3]
            layer = SimpleNamespace(
                name=name and name + str(1 + sum(name in layer.name for layer in layers)),
                shape=op.outputs[0].shape.as_list()[1:],
                words=words % tuple(window) if window else words,
                window=window,
                parameters=0,
            )
            layers.append(layer)
        elif op.type in FURTHER:
            layers[-1].words += ', ' + FURTHER[op.type]
        for tensor in op.inputs:
            if tensor.op.type == 'ReadVariableOp':
                layers[-1].parameters += tensor.shape.num_elements()
    if total != sum(layer.parameters for layer in layers):
        sys.exit('%d parameters, but not all of them in a layer' % total)
    layers[-1].name = 'y'
    return layers, total


def place(layers):
    """Gives each layer its `top`, `bottom`, `middle` and `width`, and the feature maps `pitch`,
    from one to the next. Returns the height of the picture.
    """
    room = WIDTH - MARGIN - DRAWING
    stacks = [layer.shape for layer in layers if len(layer.shape) == 3 and layer.shape[2] > 1]
    pitch = min((room - PIXEL * shape[1]) / (shape[2] - 1) for shape in stacks)
    longest = max(layer.shape[0] for layer in layers if len(layer.shape) == 1)
    y = MARGIN
    for layer in layers:
        if len(layer.shape) == 3:
            layer.pitch, layer.width, height = pitch, PIXEL * layer.shape[1], PIXEL * layer.shape[0]
        elif layer is not layers[-1]:
            layer.width, height = room * layer.shape[0] / longest, LINE
        else:
            layer.width, height = CLASS * layer.shape[0], CLASS
        layer.top, layer.middle, layer.bottom = y, y + height / 2, y + height
        y += height + GAP
    return y - GAP + MARGIN


class Sheet:
    """Paper to draw on, in pixels from the top left; later things lie on earlier ones."""

    def __init__(self, height):
        plt.rcParams.update({'font.family': 'DejaVu Sans', 'font.size': FONT * 0.72})
        self._figure = plt.figure(figsize=(WIDTH / 100, height / 100))
        self._axes = self._figure.add_axes([0, 0, 1, 1], xlim=(0, WIDTH), ylim=(height, 0))
        self._axes.axis('off')

    def write(self, x, y, text, colour, **options):
        self._axes.text(x, y, text, color=colour, va='center_baseline', **options)

    def box(self, x, y, width, height, **options):
        self._axes.add_patch(plt.Rectangle((x, y), width, height, **options))

    def lines(self, ends, colour, width):
        """Draws lines; ends: ((x, y), (x, y)) of each."""
        self._axes.add_collection(LineCollection(ends, colors=[colour], lw=width, zorder=1))

    def funnel(self, x1, width1, y1, x2, width2, y2, **options):
        """Fills what lies between one line and another below it."""
        corners = (x1, y1), (x1 + width1, y1), (x2 + width2, y2), (x2, y2)
        self._axes.add_patch(plt.Polygon(corners, fc=ORANGE, **options))

    def save(self, path):
        file = io.BytesIO()
        self._figure.savefig(file, dpi=DPI, facecolor=PAPER)
        # a palette, which nobody sees and which takes a third of the bytes
        Image.open(file).convert('RGB').quantize(64).save(path, optimize=True)


def draw_maps(sheet, layer):
    """Draws feature maps one behind the other. The pixels of the first map are visible."""
    rows, columns, n = layer.shape
    right = DRAWING + layer.width
    height = layer.bottom - layer.top
    edge = {'ec': BLUE, 'lw': 0.5}
    sheet.box(DRAWING, layer.top, layer.width + (n - 1) * layer.pitch, height, fc=CELL, **edge)
    backs = [right + i * layer.pitch for i in range(1, n - 1)]
    sheet.lines([((x, layer.top), (x, layer.bottom)) for x in backs], BLUE, 0.5)
    sheet.box(DRAWING, layer.top, layer.width, height, fc=PAPER)
    xs = [DRAWING + i * PIXEL for i in range(1, columns)]
    ys = [layer.top + i * PIXEL for i in range(1, rows)]
    sheet.lines([((x, layer.top), (x, layer.bottom)) for x in xs], DIAGONAL, 0.25)
    sheet.lines([((DRAWING, y), (right, y)) for y in ys], DIAGONAL, 0.25)
    sheet.box(DRAWING, layer.top, layer.width, height, fc='none', **edge)


def draw_window(sheet, before, layer):
    """Draws what the pixel in the middle of a feature map is made of."""
    row, column = layer.shape[0] // 2, layer.shape[1] // 2
    stride = before.shape[0] // layer.shape[0]
    rows, columns = layer.window
    x1 = DRAWING + PIXEL * (column * stride + (stride - columns) / 2)
    y1 = before.top + PIXEL * (row * stride + (stride - rows) / 2)
    x2, y2 = DRAWING + PIXEL * column, layer.top + PIXEL * row
    width, height = PIXEL * columns, PIXEL * rows
    sheet.funnel(x1, width, y1 + height, x2, PIXEL, y2, alpha=0.2)
    sheet.box(x1, y1, width, height, fc='none', ec=ORANGE, lw=0.9)
    sheet.box(x2, y2, PIXEL, PIXEL, fc=ORANGE)


def main():
    layers, total = network_layers()
    sheet = Sheet(place(layers))
    right = WIDTH - MARGIN
    pairs = list(zip(layers, layers[1:]))

    for layer in layers:
        sheet.write(MARGIN, layer.middle, layer.name, BLUE, weight='bold')
        sheet.write(SHAPES, layer.middle, '×'.join(map(str, layer.shape)), BLUE)
        if len(layer.shape) == 3:
            draw_maps(sheet, layer)
        elif layer is not layers[-1]:
            sheet.box(DRAWING, layer.top, layer.width, LINE, fc=BLUE)
        else:
            for i in range(layer.shape[0]):
                x = DRAWING + i * CLASS
                sheet.box(x, layer.top, CLASS, CLASS, fc=CELL, ec=BLUE, lw=0.5)
                sheet.write(x + CLASS / 2, layer.middle, str(i), BLUE, ha='center')

    sheet.write(right, layers[0].middle, 'parameters', INK, ha='right')
    for before, layer in pairs:
        if layer.window:
            draw_window(sheet, before, layer)
        elif layer.parameters:
            x, y1, y2 = DRAWING, before.bottom, layer.top
            sheet.funnel(x, before.width, y1, x, layer.width, y2, alpha=0.1)
        between = before.bottom + GAP / 2
        sheet.write(WORDS, between, layer.words, ORANGE)
        if layer.parameters:
            sheet.write(right, between, f'{layer.parameters:,}', INK, ha='right')
    rule = layers[-1].top - 3
    sheet.lines([((right - 110, rule), (right, rule))], INK, 0.7)
    sheet.write(right, layers[-1].middle, f'{total:,}', INK, ha='right', weight='bold')
    sheet.save(PICTURE)


if __name__ == '__main__':
    main()
