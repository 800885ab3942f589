// All words of the page in both languages, and the language that is chosen.

export const WORDS = {
  en: {
    title: 'Your own handwriting',
    draw: 'Draw a digit here, or drop a photo of one',
    field: 'Field to draw a digit in',
    near: 'The map, enlarged; the arrow keys move the pixel',
    undo: 'Undo', clear: 'Clear', choose: 'Photo …', input: 'input',
    bars: 'Probabilities; point at one for the sum behind it',
    hint: 'Point at a pixel of a layer, or at a bar: here you see where its number comes from.',
    legend: 'Blue is positive, orange negative; the stronger the colour, the larger the number.',
    undrawn: names => `The input of ${names.join(', ')} cannot be drawn.`,
    foot: 'Undo: Ctrl Z · Clear: Esc · a photo: drop it, paste it (Ctrl V), or Photo … · in a layer the arrow keys move the pixel, + and − change the map',
    step: step => `reading by the checkpoint of step ${step}`,
    waiting: 'no checkpoint yet: this page waits for the training to save one',
    lost: 'the script has ended; start it again, and this page goes on',
    patch: (rows, columns) => `${rows} × ${columns} of the input`,
    kernel: 'kernel',
    products: n => `${n} products`,
    partial: (n, layer) => `${n} partial sums${layer ? `, one for each map of ${layer}` : ''}`,
    terms: [n => `the ${n} largest terms`, n => `the ${n} smallest terms`],
    map: number => `map ${number}`,
    place: (row, column) => `row ${row}, column ${column}: `,
    sum: (terms, bias, sum) => `${terms} + bias ${bias} = ${sum}, ReLU `,
    largest: layer => `the largest of four of ${layer}: `,
    logit: (i, n, others, large, small, rest, bias, sum) => `${i}: ${n} largest ${large} + ${n} smallest ${small} + ${others} others ${rest} + bias ${bias} = ${sum}, softmax `,
    failed: line => `The script made an error and goes on: ${line}`,
    errors: {
      nothing: 'There seems to be nothing written here.',
      several: 'There are several figures here. Write only one digit.',
      format: 'This is no picture that the app can read (HEIC needs pillow-heif). Save it as JPEG or PNG.',
      damaged: 'The file is damaged. Save it again.',
      file: 'The file cannot be read. Choose a picture.',
      large: 'The picture is too large. Save it smaller: at most 50 megapixels and 64 MB.',
    },
  },
  zh: {
    title: '你自己的笔迹',
    draw: '在这里写一个数字，或拖入一张照片',
    field: '手写区',
    near: '放大的特征图；用方向键移动像素',
    undo: '撤销', clear: '清除', choose: '照片…', input: '输入',
    bars: '概率；指向一条，可以看它的求和',
    hint: '把指针移到某一层的一个像素或一个概率条上，这里会显示它是怎样算出来的。',
    legend: '蓝色为正，橙色为负；颜色越浓，数值越大。',
    undrawn: names => `${names.join('、')} 的输入画不出来。`,
    foot: '撤销：Ctrl Z · 清除：Esc · 照片：拖入、粘贴（Ctrl V）或点“照片…” · 在各层中，方向键移动像素，+ 和 − 切换特征图',
    step: step => `使用第 ${step} 步的检查点`,
    waiting: '还没有检查点：训练保存后，本页会自动开始',
    lost: '脚本已结束；重新启动后，本页会自动继续',
    patch: (rows, columns) => `输入中的 ${rows} × ${columns}`,
    kernel: '卷积核',
    products: n => `${n} 个乘积`,
    partial: (n, layer) => `${n} 个部分和${layer ? `，${layer} 的每张特征图一个` : ''}`,
    terms: [n => `最大的 ${n} 项`, n => `最小的 ${n} 项`],
    map: number => `第 ${number} 张`,
    place: (row, column) => `第 ${row} 行第 ${column} 列：`,
    sum: (terms, bias, sum) => `${terms} + 偏置 ${bias} = ${sum}，经 ReLU 得 `,
    largest: layer => `${layer} 中四个值的最大值：`,
    logit: (i, n, others, large, small, rest, bias, sum) => `${i}：最大的 ${n} 项 ${large} + 最小的 ${n} 项 ${small} + 其余 ${others} 项 ${rest} + 偏置 ${bias} = ${sum}，经 softmax 得 `,
    failed: line => `脚本出错了，但仍在运行：${line}`,
    errors: {
      nothing: '看不到写了什么。',
      several: '上面有好几个数字；一张图只写一个。',
      format: '这不是这里能读的图片（HEIC 要先装 pillow-heif）；请另存为 JPEG 或 PNG。',
      damaged: '文件已损坏；请重新保存。',
      file: '文件无法读取；请选择一张图片。',
      large: '图片太大；请缩小后保存（5000 万像素，64 MB 以内）。',
    },
  },
};

export const $ = id => document.getElementById(id);
export let words;  // of the chosen language
let stored = {};
try { stored = localStorage; } catch {}  // some browsers are set to keep nothing
let language = [stored.language, ...navigator.languages, 'en']
  .map(tag => (tag || '').slice(0, 2).toLowerCase()).find(tag => tag in WORDS);

function say() {
  words = WORDS[language];
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.title = words.title + ' · LeNet-5';
  for (const each of document.querySelectorAll('[data-say]')) each.textContent = words[each.dataset.say];
  for (const each of document.querySelectorAll('[data-label]')) each.ariaLabel = words[each.dataset.label];
}

export function changeLanguage() {
  stored.language = language = language === 'zh' ? 'en' : 'zh';
  say();
}
say();
