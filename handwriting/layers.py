"""What the network sees: the layers that are found in its graph, and a picture of them.

    input          [rows, columns]        the digit, in the size that the network takes
    conv1, pool1   [rows, columns, maps]  the results of a convolution and of a pooling
    fc1            [neurons]              the result of a fully connected layer
    logits         [classes]              the scores, before the softmax
    probabilities  [classes]

These are arrays of one digit. A layer's name is its kind and its number among the layers of that
kind, in the order of the graph.
"""

import io

from support import console
from support.pictures import BLUE, CELL, INK, ORANGE, PAPER

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image, ImageDraw, ImageFont, ImageOps

POOLINGS = 'MaxPool', 'MaxPoolV2', 'AvgPool'
OPERATIONS = ('Conv2D', 'DepthwiseConv2dNative', 'MatMul', *POOLINGS)
RESHAPING = 'Reshape', 'Squeeze', 'Identity'  # the numbers pass through these unchanged
ADDING = 'BiasAdd', 'Add', 'AddV2'
EXPLAINED = {  # the operations that the page can compute, with these attributes
    'Conv2D': {'padding': b'SAME', 'strides': [1, 1, 1, 1], 'dilations': [1, 1, 1, 1]},
    'MaxPool': {'ksize': [1, 2, 2, 1], 'strides': [1, 2, 2, 1]},
    'MatMul': {'transpose_a': False, 'transpose_b': False},
}

# the picture, in pixels; the page has the same tiles
TILES = {1: (14, 1), 2: (112, 4), 3: (56, 4)}  # {dimensions: (side, gap)}: neuron, input, map
COLUMNS, GAP, MARGIN, LINE_HEIGHT = 16, 4, 24, 22
WIDTH = COLUMNS * sum(TILES[3]) - GAP


class NetworkError(console.Error):
    """The network cannot read a digit."""


class Network:
    """The graph from digits x to logits y, and the layers found between them.

    graph    the tf.Graph
    size     [rows, columns] of the digits that it takes
    layers   {name: shape of one digit's array}, of the layers and the logits
    sources  {name: name of the layer below, or 'input'}, only for layers (and logits) that the page
             can compute from the layer below
    undrawn  one text for each operation whose input cannot be drawn as a layer
    """

    def __init__(self, x, y):
        """x: a placeholder [None, rows, columns, 1]; y: [None, classes]. Raises NetworkError."""
        self._x, self.graph = x, x.graph
        _, *self.size, channels = x.shape.as_list()
        if channels != 1:
            problem = f'reads pictures of {channels} channels; a digit has one, of grey'
            raise NetworkError(f'mnist_lenet5_forward.py: {problem}')
        tensors, self.undrawn = find_layers(x)
        names = {tensor.name: name for name, tensor in [('input', x), *tensors.items()]}
        self.layers, self.sources, self._weights = {}, {}, {}
        for name, tensor in [*tensors.items(), ('logits', y)]:
            self.layers[name] = tensor.shape.as_list()[1:]
            below, weights = _origin(tensor, name == 'logits')
            if below in names:
                self.sources[name] = names[below]
                self._weights.update({name + end: weight for end, weight in weights.items()})
        self._tensors = dict(tensors, logits=y, probabilities=tf.nn.softmax(y))

    def scaled(self, levels):
        """Returns a digit [rows, columns], float32, in the size that the network takes."""
        if list(levels.shape) == self.size:
            return levels
        return np.asarray(Image.fromarray(levels).resize(self.size[::-1], Image.BILINEAR))

    def read(self, sess, levels):
        """Returns {name: array, float32} of a digit [rows, columns], with the names at the top."""
        levels = self.scaled(levels)
        values = sess.run(self._tensors, {self._x: levels[np.newaxis, ..., np.newaxis]})
        return {'input': levels, **{name: value[0] for name, value in values.items()}}

    def weights(self, sess):
        """Returns {name: array} of the weights and biases of the layers in `sources`.

        conv2_w is [rows, columns, maps of the layer below, maps], conv2_b [maps], logits_w
        [numbers of the layer below, classes].
        """
        return sess.run(self._weights)


def find_layers(x):
    """Returns the layers above x, {name: tensor}, and a text for each input that cannot be drawn.

    A layer is what one of the OPERATIONS takes as its input, before any reshaping. So it does not
    matter which function, a ReLU or another one, made the layer's values.
    """
    operations = [op for op in x.graph.get_operations() if op.type in OPERATIONS]
    inputs = [_unshaped(op.inputs[0]) for op in operations]
    tensors, undrawn, seen = {}, [], {x.name, *(tensor.name for tensor in inputs[:1])}
    for op, tensor in zip(operations, inputs):
        if tensor.name in seen:
            continue
        seen.add(tensor.name)
        batch, *shape = tensor.shape.as_list() if tensor.shape.ndims else [0]
        kind = 'pool' if tensor.op.type in POOLINGS else {3: 'conv', 1: 'fc'}.get(len(shape))
        if batch is None and kind and None not in shape and x.graph.is_fetchable(tensor):
            number = 1 + sum(name.startswith(kind) for name in tensors)
            tensors[f'{kind}{number}'] = tensor
        else:
            undrawn.append(f'{op.name} {tensor.shape}')
    return tensors, undrawn


def _unshaped(tensor):
    """Returns the tensor with the same numbers, before they were put into another shape."""
    while tensor.op.type in RESHAPING:
        tensor = tensor.op.inputs[0]
    return tensor


def _origin(tensor, is_logits):
    """Returns the name of the tensor below, and {'_w': weights, '_b': bias}.

    Returns None, {} if the page cannot compute `tensor` from the one below. It can compute the
    largest of 2x2 pixels and, if the bias is a vector, the ReLU of a convolution and the logits.
    """
    op, expected, weights = tensor.op, 'MaxPool', {}
    if is_logits or op.type == 'Relu':
        adding = op if is_logits else op.inputs[0].op
        if adding.type not in ADDING:
            return None, {}
        op, expected = adding.inputs[0].op, 'MatMul' if is_logits else 'Conv2D'
        if op.type == expected:
            weights = {'_w': op.inputs[1], '_b': adding.inputs[1]}
    shapes = [weight.shape for weight in weights.values()]
    if (
        op.type != expected
        or any(op.get_attr(name) != value for name, value in EXPLAINED[expected].items())
        or not all(shape.is_fully_defined() for shape in shapes)
        or (shapes and shapes[1].as_list() != shapes[0].as_list()[-1:])
    ):
        return None, {}
    return _unshaped(op.inputs[0]).name, weights


def drawn(values):
    """Returns the bytes of a PNG file that shows the result of Network.read: the maps of each
    layer, in the order of the graph's kernels, and the probabilities. Each layer's largest value
    has the colour INK.
    """
    *layers, _, (_, probabilities) = values.items()
    strips = []
    for name, array in layers:
        shape = ' x '.join(map(str, array.shape))
        strips += [_line(f'{name}  {shape}'), _maps(array)]
    strips.append(_line(f'probabilities  {len(probabilities)}'))
    for label, probability in enumerate(probabilities):
        ink = ORANGE if label == probabilities.argmax() else BLUE
        bar = Image.new('RGB', (WIDTH - 100, LINE_HEIGHT - GAP), CELL)
        bar.paste(ink, (0, 0, int(round(bar.width * probability)), bar.height))
        strips.append(_line(str(label), ink, f'{100 * probability:.1f}%'))
        strips[-1].paste(bar, (24, 0))
    height = sum(strip.height for strip in strips)
    sheet, top = Image.new('RGB', (WIDTH + 2 * MARGIN, height + 2 * MARGIN), PAPER), MARGIN
    for strip in strips:
        sheet.paste(strip, (MARGIN, top))
        top += strip.height
    file = io.BytesIO()
    sheet.save(file, 'PNG')
    return file.getvalue()


def _maps(array):
    """Returns a strip of the maps of a layer, beside each other. A neuron is a map of one pixel."""
    low = min(0, array.min())  # not 0 where a function such as tanh gives negative values
    levels = (255 * (array - low) / max(array.max() - low, 1e-9)).round().astype(np.uint8)
    (tile, gap), shape = TILES[array.ndim], array.shape
    rows, columns, maps = (*shape, 1) if array.ndim == 2 else (1, 1, *shape)[-3:]
    levels = levels.reshape(rows, columns, maps)
    scale = max(1, tile // columns)
    size = columns * scale, rows * scale
    wide, high = max(tile, size[0]) + gap, size[1] + gap
    in_line = max(1, (WIDTH + GAP) // wide)
    strip = Image.new('RGB', (WIDTH + GAP, -(-maps // in_line) * high), PAPER)
    for i in range(maps):
        tile = Image.fromarray(levels[..., i]).resize(size, Image.NEAREST)
        strip.paste(ImageOps.colorize(tile, CELL, INK), (i % in_line * wide, i // in_line * high))
    return strip


def _line(left, ink=INK, right=''):
    """Returns a strip with a text at its left end and one at its right end."""
    strip = Image.new('RGB', (WIDTH, LINE_HEIGHT), PAPER)
    try:
        font, scale = ImageFont.load_default(16), 1
    except TypeError:  # before Pillow 10.1 the font has one size, 11 pixels
        font, scale = ImageFont.load_default(), 2
    for text in left, right:
        mask = Image.new('L', (WIDTH, LINE_HEIGHT))
        ImageDraw.Draw(mask).text((0, 0), text, 255, font)
        mask = mask.resize((WIDTH * scale, LINE_HEIGHT * scale), Image.NEAREST)
        mask = mask.crop((0, 0, (mask.getbbox() or (0, 0, 1))[2], LINE_HEIGHT))
        strip.paste(ink, (0 if text is left else WIDTH - mask.width, 0), mask)
    return strip
