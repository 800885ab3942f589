"""What the network sees: its layers found in the graph, drawn as one picture, and one pixel's sum.

    digit  [28, 28]      what it reads
    conv1  [28, 28, 32]  after bias and ReLU
    pool1  [14, 14, 32]
    conv2  [14, 14, 64]
    pool2  [7, 7, 64]
    fc1    [512]
    y      [10]          here as probabilities

All are float32. `conv1_w` [5, 5, 1, 32] and `conv1_b` [32] are the kernels and biases of conv1.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from . import pictures

OPERATIONS = 'Conv2D BiasAdd Relu MaxPool Conv2D BiasAdd Relu MaxPool MatMul Relu MatMul'.split()
SHAPES = {
    'conv1': [28, 28, 32],
    'pool1': [14, 14, 32],
    'conv2': [14, 14, 64],
    'pool2': [7, 7, 64],
    'fc1': [512],
    'y': [10],
}
DIGITS = 3  # after the point, in the sum of a pixel

# of the picture
COLUMNS = 16  # maps in a line
TILE = 56  # pixels of a map, both ways: 28 * 2, 14 * 4, 7 * 8
GAP = 4
LABEL = 22  # height of a line of text
GLYPHS = {  # seven rows of five dots
    '0': '0e11131519110e',
    '1': '040c040404040e',
    '2': '0e11010204081f',
    '3': '1f02040201110e',
    '4': '02060a121f0202',
    '5': '1f101e0101110e',
    '6': '0608101e11110e',
    '7': '1f010204080808',
    '8': '0e11110e11110e',
    '9': '0e11110f01020c',
    'c': '00000e1010110e',
    'f': '0609081c080808',
    'g': '00000f110f010e',
    'd': '01010d1311110f',
    'i': '04000c0404040e',
    'l': '0c04040404040e',
    'n': '00001619111111',
    'o': '00000e1111110e',
    'p': '00001e111e1010',
    't': '08081c08080906',
    'v': '00001111110a04',
    'x': '0000110a040a11',
    'y': '000011110f010e',
    '.': '00000000000c0c',
    '%': '18190204081303',
    ' ': '00000000000000',
}


class NetworkError(Exception):
    """The graph is of another network; one line says what was looked for."""

    exit_status = 1


def find(x, y):
    """Returns {name: tensor} of the layers, conv1_w and conv1_b between the digits x and logits y.

    They are found by the types of the operations, in the order of the graph; their shapes are
    checked. Raises NetworkError.
    """
    found = [op for op in x.graph.get_operations() if op.type in OPERATIONS]
    if [op.type for op in found] != OPERATIONS:
        raise NetworkError(
            'mnist_lenet5_forward.py: is not the network that the app draws; its operations are '
            'to be %s, and are %s' % (' '.join(OPERATIONS), ' '.join(op.type for op in found))
        )
    conv1, bias1, relu1, pool1, _, _, relu2, pool2, _, relu3, _ = found
    tensors = [op.outputs[0] for op in (relu1, pool1, relu2, pool2, relu3)] + [tf.nn.softmax(y)]
    for (name, shape), tensor in zip(SHAPES.items(), tensors):
        if tensor.shape.as_list()[1:] != shape:
            raise NetworkError(
                'mnist_lenet5_forward.py: is not the network that the app draws; %s is to have the '
                'shape %s, and has %s' % (name, shape, tensor.shape.as_list()[1:])
            )
    return dict(zip(SHAPES, tensors), conv1_w=conv1.inputs[1], conv1_b=bias1.inputs[1])


def look(sess, x, tensors, digit):
    """Returns {name: array} of one digit [28, 28]: itself, its layers, conv1_w and conv1_b."""
    values = sess.run(tensors, feed_dict={x: digit[np.newaxis, :, :, np.newaxis]})
    values.update({name: values[name][0] for name in SHAPES}, digit=digit)
    return values


def picture(values):
    """Returns a picture [rows, columns, 3] of all that `look` returns, in the order of the lecture.

    Of each layer the largest value is ink and zero is paper; each map has the place in its block
    that its kernel has in the graph. The read digit's bar has the colour of what is read.
    """
    width = COLUMNS * (TILE + GAP) - GAP
    blocks = [_label('digit 28x28', width), _row([_map(values['digit'], 4)], width)]
    for name in 'conv1', 'pool1', 'conv2', 'pool2':
        maps = values[name]
        size, _, n = maps.shape
        maps = [_map(maps[:, :, i] / max(maps.max(), 1e-9), TILE // size) for i in range(n)]
        blocks.append(_label('%s %dx%d x %d' % (name, size, size, n), width))
        blocks += [_row(maps[i : i + COLUMNS], width) for i in range(0, n, COLUMNS)]
    fc1 = values['fc1'].reshape(COLUMNS, -1, 4) / max(values['fc1'].max(), 1e-9)
    blocks += [_label('fc1 512', width), _row([_map(part, TILE // 4) for part in fc1], width)]
    blocks += [_label('y 10', width), _bars(values['y'], width)]
    sheet = np.concatenate(blocks)
    margin = pictures.MARGIN
    framed = _paper(len(sheet) + 2 * margin, width + 2 * margin)
    framed[margin:-margin, margin:-margin] = sheet
    return framed.round().astype(np.uint8)


def _paper(height, width, colour=pictures.PAPER):
    return np.tile(np.array(colour, float), (height, width, 1))


def _map(levels, scale, ink=pictures.INK, paper=pictures.CELL):
    """Returns levels [rows, columns] from 0 to 1 in colours, `scale` pixels to each, both ways."""
    levels = np.kron(levels, np.ones((scale, scale)))[..., np.newaxis]
    return levels * ink + (1 - levels) * paper


def _row(tiles, width):
    """Returns a line of tiles of one height, on paper, with the gap below it."""
    line = _paper(len(tiles[0]) + GAP, width)
    left = 0
    for tile in tiles:
        line[: len(tile), left : left + tile.shape[1]] = tile
        left += tile.shape[1] + GAP
    return line


def _label(text, width):
    line = _paper(LABEL, width)
    written = _written(text, pictures.INK, pictures.PAPER)
    line[-len(written) - GAP : -GAP, : written.shape[1]] = written
    return line


def _written(text, ink, paper):
    """Returns a line of text in colours, 14 pixels high."""
    rows = [[int(GLYPHS[c][2 * i : 2 * i + 2], 16) for c in text] for i in range(7)]
    dots = [[[row >> 5 - i & 1 for i in range(6)] for row in line] for line in rows]
    return _map(np.array(dots).reshape(7, -1), 2, ink, paper)


def _bars(probabilities, width):
    """Returns ten lines: a digit, the bar of its probability and that in per cent."""
    height = 18
    sheet = _paper(10 * (height + GAP), width)
    longest = width - 100
    for digit, probability in enumerate(probabilities):
        top = digit * (height + GAP)
        read = digit == np.argmax(probabilities)
        ink = pictures.READ_INK if read else pictures.TRUE_INK
        label = _written(str(digit), ink, pictures.PAPER)
        sheet[top + 2 : top + 16, : label.shape[1]] = label
        sheet[top : top + height, 24 : 24 + longest] = pictures.CELL
        sheet[top : top + height, 24 : 24 + int(round(longest * probability))] = ink
        label = _written('%.1f%%' % (100 * probability), ink, pictures.PAPER)
        sheet[top + 2 : top + 16, -label.shape[1] :] = label
    return sheet


def conv1_pixel(values, row, column, kernel):
    """Returns where a pixel of conv1 comes from, in numbers of DIGITS digits after the point.

    patch, kernel and products are [5][5], patch None where it is beyond the edge of the digit and
    zero; the 25 products and `bias` add up to `sum` as they are shown, and `value` is its ReLU.
    Each of these is rounded up or down, so that they do.
    """
    size = values['conv1_w'].shape[0]
    reach = size // 2
    padded = np.pad(values['digit'].astype(np.float64), reach, 'constant')
    patch = padded[row : row + size, column : column + size]
    w = values['conv1_w'][:, :, 0, kernel].astype(np.float64)
    bias = float(values['conv1_b'][kernel])
    value = float(values['conv1'][row, column, kernel])
    total = value if value > 0 else min((patch * w).sum() + bias, 0.0)
    parts = _that_add_up([*(patch * w).ravel(), bias], total)
    inside = np.pad(np.ones_like(values['digit']), reach, 'constant')
    inside = inside[row : row + size, column : column + size]
    return {
        'patch': [
            [_text(level) if there else None for level, there in zip(*line)]
            for line in zip(patch, inside)
        ],
        'kernel': [[_text(weight) for weight in line] for line in w],
        'products': [parts[i : i + size] for i in range(0, size * size, size)],
        'bias': parts[-1],
        'sum': _text(total),
        'value': _text(value),
    }


def pool1_pixel(values, row, column, kernel):
    """Returns where a pixel of pool1 comes from: four [2][2] of conv1, and `value`, the largest."""
    four = values['conv1'][2 * row : 2 * row + 2, 2 * column : 2 * column + 2, kernel]
    return {
        'four': [[_text(value) for value in line] for line in four],
        'value': _text(values['pool1'][row, column, kernel]),
    }


def _text(number):
    text = '%.*f' % (DIGITS, number)
    return text.replace('-', '') if float(text) == 0 else text


def _that_add_up(numbers, total):
    """Returns numbers as text, each rounded up or down, whose sum is that of the total as text.

    Those with the largest remainders are rounded up, as seats are given to parties.
    """
    scaled = np.array(numbers) * 10**DIGITS
    whole = np.floor(scaled).astype(int)
    lacking = int(round(float(_text(total)) * 10**DIGITS)) - whole.sum()
    whole[np.argsort(whole - scaled, kind='stable')[:lacking]] += 1
    return [_text(number / 10**DIGITS) for number in whole]
