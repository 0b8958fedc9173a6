<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en">
<context>
    <name>capture</name>
    <message>
        <source>Capture &amp;region</source>
        <translation>截取区域(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Capture the screen</source>
        <translation>截取屏幕(&amp;C)</translation>
    </message>
    <message>
        <source>A &amp;region</source>
        <translation>区域(&amp;R)</translation>
    </message>
    <message>
        <source>A &amp;window</source>
        <translation>窗口(&amp;W)</translation>
    </message>
    <message>
        <source>The whole &amp;screen</source>
        <translation>整个屏幕(&amp;S)</translation>
    </message>
    <message>
        <source>A region &amp;after {seconds} seconds</source>
        <translation>{seconds} 秒后截取区域(&amp;A)</translation>
    </message>
    <message>
        <source>Show the &amp;window</source>
        <translation>显示窗口(&amp;W)</translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation>退出(&amp;Q)</translation>
    </message>
    <message>
        <source>captured {number}.png</source>
        <translation>截图 {number}.png</translation>
    </message>
    <message>
        <source>Choose a part of the screen</source>
        <translation>选择屏幕的一部分</translation>
    </message>
    <message>
        <source>Drag a rectangle or click a window.  Enter: whole screen.  Space: set a corner.  Esc: cancel.</source>
        <translation>拖出一个矩形，或点击一个窗口。  Enter：整个屏幕。  空格：设定一角。  Esc：取消。</translation>
    </message>
    <message>
        <source>Drag a rectangle.  Enter: whole screen.  Space: set a corner.  Esc: cancel.</source>
        <translation>拖出一个矩形。  Enter：整个屏幕。  空格：设定一角。  Esc：取消。</translation>
    </message>
    <message>
        <source>{tokens} tokens</source>
        <translation>{tokens} 个词元</translation>
    </message>
    <message>
        <source>{tokens} tokens, about {seconds} s</source>
        <translation>{tokens} 个词元，约 {seconds} 秒</translation>
    </message>
    <message>
        <source>Wayland shows the screen to no program</source>
        <translation>Wayland 不允许任何程序读取屏幕</translation>
    </message>
    <message>
        <source>it does not show the screen on the platform {platform}</source>
        <translation>在平台 {platform} 上无法读取屏幕</translation>
    </message>
    <message>
        <source>the system gives no picture of the screen {screen}</source>
        <translation>系统没有给出屏幕 {screen} 的图像</translation>
    </message>
    <message>
        <source>it belongs to Linux desktops</source>
        <translation>只用于 Linux 桌面</translation>
    </message>
    <message>
        <source>it belongs to macOS</source>
        <translation>只用于 macOS</translation>
    </message>
    <message>
        <source>there is no session bus (D-Bus)</source>
        <translation>没有会话总线 (D-Bus)</translation>
    </message>
    <message>
        <source>the Python package {name} is not installed</source>
        <translation>没有安装 Python 包 {name}</translation>
    </message>
    <message>
        <source>there is no program {path}</source>
        <translation>没有程序 {path}</translation>
    </message>
    <message>
        <source>{path} did not work: {found}. In the system&apos;s settings, allow this program to record the screen (Privacy and Security, Screen Recording), and start it again.</source>
        <translation>{path} 未能工作：{found}。请在系统设置中允许本程序录制屏幕（“隐私与安全性”，“屏幕录制”），然后重新启动本程序。</translation>
    </message>
    <message>
        <source>the desktop&apos;s screenshot portal did not work: {found}</source>
        <translation>桌面的截图门户未能工作：{found}</translation>
    </message>
    <message>
        <source>it ended with code {code}</source>
        <translation>它以代码 {code} 结束</translation>
    </message>
    <message>
        <source>it names no file of this computer ({uri})</source>
        <translation>它给出的不是本机上的文件 ({uri})</translation>
    </message>
    <message>
        <source>{name} is not a regular file</source>
        <translation>{name} 不是普通文件</translation>
    </message>
    <message>
        <source>{name} has {size} bytes</source>
        <translation>{name} 有 {size} 字节</translation>
    </message>
    <message>
        <source>The screen cannot be captured here ({reasons}). Take a screenshot with the system&apos;s own key, then paste it.</source>
        <translation>这里无法截取屏幕（{reasons}）。请用系统自带的按键截图，然后粘贴。</translation>
    </message>
</context>
<context>
    <name>engine</name>
    <message>
        <source>Drawing the pages</source>
        <translation>正在绘制页面</translation>
    </message>
    <message>
        <source>Opening the pictures</source>
        <translation>正在打开图片</translation>
    </message>
    <message>
        <source>Loading the model</source>
        <translation>正在加载模型</translation>
    </message>
    <message>
        <source>Looking for the fastest kernels</source>
        <translation>正在寻找最快的计算方式</translation>
    </message>
    <message>
        <source>Looking at the picture</source>
        <translation>正在看图片</translation>
    </message>
    <message>
        <source>Reading</source>
        <translation>正在阅读</translation>
    </message>
    <message>
        <source>Answering</source>
        <translation>正在回答</translation>
    </message>
    <message>
        <source>Loading {done} of {total} GB</source>
        <translation>正在加载 {done} / {total} GB</translation>
    </message>
    <message>
        <source>about {seconds} s</source>
        <translation>约 {seconds} 秒</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>就绪</translation>
    </message>
    <message>
        <source>Not loaded; the next question loads the model</source>
        <translation>尚未加载；下一个问题会加载模型</translation>
    </message>
    <message>
        <source>No model is loaded.</source>
        <translation>没有加载模型。</translation>
    </message>
    <message>
        <source>No model is loaded: {reason}</source>
        <translation>没有加载模型：{reason}</translation>
    </message>
    <message>
        <source>The next question tries again.</source>
        <translation>下一个问题会再次尝试。</translation>
    </message>
    <message>
        <source>The engine ended: {reason}</source>
        <translation>推理进程已结束：{reason}</translation>
    </message>
    <message>
        <source>The next question starts it again.</source>
        <translation>下一个问题会重新启动它。</translation>
    </message>
    <message>
        <source>it could not be started</source>
        <translation>无法启动</translation>
    </message>
    <message>
        <source>it ended with code {code}</source>
        <translation>它以代码 {code} 结束</translation>
    </message>
    <message>
        <source>it was ended from outside or crashed ({code})</source>
        <translation>它被外部结束或已崩溃 ({code})</translation>
    </message>
    <message>
        <source>a file of the model was cut short, or its disk failed, while it was in use (SIGBUS)</source>
        <translation>使用中的模型文件被截短，或磁盘出错 (SIGBUS)</translation>
    </message>
    <message>
        <source>it was ended from outside; the system does that when memory runs out (SIGKILL)</source>
        <translation>它被外部结束；内存不足时系统会这样做 (SIGKILL)</translation>
    </message>
    <message>
        <source>it was ended from outside (SIGTERM)</source>
        <translation>它被外部结束 (SIGTERM)</translation>
    </message>
    <message>
        <source>it crashed ({name})</source>
        <translation>它已崩溃 ({name})</translation>
    </message>
</context>
<context>
    <name>errors</name>
    <message>
        <source>picture {source}: {found}; {advice}</source>
        <translation>图片 {source}：{found}；{advice}</translation>
    </message>
    <message>
        <source>no such file</source>
        <translation>没有这个文件</translation>
    </message>
    <message>
        <source>check the path</source>
        <translation>请检查路径</translation>
    </message>
    <message>
        <source>not a regular file</source>
        <translation>不是普通文件</translation>
    </message>
    <message>
        <source>give the path of a picture</source>
        <translation>请给出图片的路径</translation>
    </message>
    <message>
        <source>an empty file</source>
        <translation>空文件</translation>
    </message>
    <message>
        <source>save the picture again</source>
        <translation>请重新保存图片</translation>
    </message>
    <message>
        <source>save it again</source>
        <translation>请重新保存</translation>
    </message>
    <message>
        <source>add it again</source>
        <translation>请重新添加</translation>
    </message>
    <message>
        <source>use a picture that is not empty</source>
        <translation>请使用非空的图片</translation>
    </message>
    <message>
        <source>cut it into pieces</source>
        <translation>请把它切成几块</translation>
    </message>
    <message>
        <source>wait until it is complete</source>
        <translation>请等它写完</translation>
    </message>
    <message>
        <source>it grows while it is read</source>
        <translation>读取时它还在变大</translation>
    </message>
    <message>
        <source>its content is not what was added</source>
        <translation>它的内容已不是添加时的内容</translation>
    </message>
    <message>
        <source>not a picture of a known format</source>
        <translation>不是已知格式的图片</translation>
    </message>
    <message>
        <source>use PNG, {formats}</source>
        <translation>请使用 PNG、{formats}</translation>
    </message>
    <message>
        <source>an address, and nothing is downloaded</source>
        <translation>这是网址，而本程序不下载任何内容</translation>
    </message>
    <message>
        <source>save the picture first</source>
        <translation>请先保存图片</translation>
    </message>
    <message>
        <source>it begins like a {format} file, but is damaged</source>
        <translation>开头像 {format} 文件，但已损坏</translation>
    </message>
    <message>
        <source>it is {format}, which is not read</source>
        <translation>它是 {format}，无法读取</translation>
    </message>
    <message>
        <source>it is damaged ({error})</source>
        <translation>已损坏 ({error})</translation>
    </message>
    <message>
        <source>it cannot be read ({error})</source>
        <translation>无法读取 ({error})</translation>
    </message>
    <message>
        <source>check the path and its permissions</source>
        <translation>请检查路径及其权限</translation>
    </message>
    <message>
        <source>{width}x{height} pixels, too narrow to see anything</source>
        <translation>{width}×{height} 像素，太窄，什么都看不清</translation>
    </message>
    <message>
        <source>{width}x{height} pixels</source>
        <translation>{width}×{height} 像素</translation>
    </message>
    <message>
        <source>scale it to at most {pixels} pixels</source>
        <translation>请缩小到最多 {pixels} 像素</translation>
    </message>
    <message>
        <source>far too many pixels ({error})</source>
        <translation>像素过多 ({error})</translation>
    </message>
    <message>
        <source>{size} bytes</source>
        <translation>{size} 字节</translation>
    </message>
    <message>
        <source>use a file of at most {size}</source>
        <translation>请使用不超过 {size} 字节的文件</translation>
    </message>
    <message>
        <source>print it into a new PDF, or save the page as PNG</source>
        <translation>请把它打印成新的 PDF，或把该页存为 PNG</translation>
    </message>
    <message>
        <source>the prompt needs at least {prompt_tokens} tokens ({image_tokens} of them for pictures), and the answer one more; this model takes {context_tokens}; use fewer or smaller pictures or a shorter text</source>
        <translation>提示至少需要 {prompt_tokens} 个词元（其中图片 {image_tokens} 个），回答还需一个；此模型最多 {context_tokens} 个；请减少或缩小图片，或缩短文字</translation>
    </message>
    <message>
        <source>the prompt needs at least {prompt_tokens} tokens ({image_tokens} of them for pictures), and the answer one more; this model takes {context_tokens}; begin a new conversation, or let the oldest of its {earlier_turns} earlier turns be dropped</source>
        <translation>提示至少需要 {prompt_tokens} 个词元（其中图片 {image_tokens} 个），回答还需一个；此模型最多 {context_tokens} 个；请新建对话，或舍弃此前 {earlier_turns} 轮中最早的几轮</translation>
    </message>
    <message>
        <source>there is not enough memory for this; close other programs, or use fewer pictures, a smaller model or another precision</source>
        <translation>内存不足；请关闭其他程序，或减少图片，换用更小的模型或其他精度</translation>
    </message>
    <message>
        <source>the time limit passed before this was done; allow more time</source>
        <translation>在完成之前已超过时限；请给更多时间</translation>
    </message>
    <message>
        <source>this was stopped before it was done</source>
        <translation>在完成之前已停止</translation>
    </message>
    <message>
        <source>no model is loaded; load one first</source>
        <translation>没有加载模型；请先加载一个</translation>
    </message>
    <message>
        <source>{path}: no such folder; {advice}</source>
        <translation>{path}：没有这个文件夹；{advice}</translation>
    </message>
    <message>
        <source>{path}: missing, so this folder is no bundle; {advice}</source>
        <translation>{path}：缺失，所以此文件夹不是模型包；{advice}</translation>
    </message>
    <message>
        <source>make a bundle with `dsvl2-onnx export`</source>
        <translation>请用 `dsvl2-onnx export` 制作模型包</translation>
    </message>
    <message>
        <source>`dsvl2-onnx ls` lists the models that have a name; make a bundle with `dsvl2-onnx export`</source>
        <translation>`dsvl2-onnx ls` 会列出有名称的模型；也可用 `dsvl2-onnx export` 制作模型包</translation>
    </message>
    <message>
        <source>internal error: {error}</source>
        <translation>内部错误：{error}</translation>
    </message>
    <message>
        <source>the conversation is too long; its oldest questions ({turns}), with their answers and pictures ({images}), are no longer seen</source>
        <translation>对话太长；最早的 {turns} 个问题及其回答和图片（{images} 张）不再可见</translation>
    </message>
    <message>
        <source>the conversation now has {images} pictures, and of more than {most_tiled} each is seen as one tile; those that were there before are read again</source>
        <translation>对话中现在有 {images} 张图片，超过 {most_tiled} 张时每张只看作一个图块；之前的图片会重新读取</translation>
    </message>
    <message>
        <source>the conversation has only {images} of its pictures left, so each is seen in full again</source>
        <translation>对话中只剩 {images} 张图片，所以每张又会完整查看</translation>
    </message>
    <message>
        <source>the answer ends within a list of boxes of {label!r}; what is left of it is dropped: {shown!r}</source>
        <translation>回答在 {label!r} 的框列表中间结束；剩余部分已舍弃：{shown!r}</translation>
    </message>
    <message>
        <source>{count} of the boxes of {label!r} are none and are dropped, such as {shown!r}</source>
        <translation>{label!r} 的框中有 {count} 个无效，已舍弃，例如 {shown!r}</translation>
    </message>
    <message>
        <source>the model does not say in which of the {images} pictures its boxes lie; they are taken to lie in the last one</source>
        <translation>模型没有说明框在 {images} 张图片中的哪一张；视为在最后一张中</translation>
    </message>
    <message>
        <source>picture {image} is transparent everywhere; its colours are shown as if it were not</source>
        <translation>图片 {image} 全部透明；按不透明显示其颜色</translation>
    </message>
    <message>
        <source>picture {image} has damaged EXIF data; it is shown as it was stored, perhaps not upright</source>
        <translation>图片 {image} 的 EXIF 数据已损坏；按存储的方向显示，可能不是正向</translation>
    </message>
    <message>
        <source>picture {image} has several frames; only the first one is shown</source>
        <translation>图片 {image} 有多帧；只显示第一帧</translation>
    </message>
    <message>
        <source>picture {image} has several pages; only the first one is shown</source>
        <translation>图片 {image} 有多页；只显示第一页</translation>
    </message>
    <message>
        <source>picture {image} is transparent and could hardly be seen on white; it is shown on {ground}</source>
        <translation>图片 {image} 是透明的，在白色上几乎看不见；改在 {ground} 上显示</translation>
    </message>
    <message>
        <source>picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}, because more than {most_tiled} pictures get one tile each; ask about {most_tiled} at a time</source>
        <translation>图片 {image} 有 {width}×{height} 像素，但模型只看到 {seen_width}×{seen_height}，因为图片超过 {most_tiled} 张时每张只有一个图块；请一次只问 {most_tiled} 张</translation>
    </message>
    <message>
        <source>picture {image} was read in an enlarged part: {left} to {right} pixels from the left, {top} to {bottom} from the top</source>
        <translation>图片 {image} 是在放大的一部分里读到的：距左边 {left} 到 {right} 像素，距上边 {top} 到 {bottom} 像素</translation>
    </message>
    <message>
        <source>picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}; small print may be lost: cut out the part that matters</source>
        <translation>图片 {image} 有 {width}×{height} 像素，但模型只看到 {seen_width}×{seen_height}；小字可能看不清：请截出要紧的部分</translation>
    </message>
    <message>
        <source>picture {image} does not use all the values of its format; {lowest:g} is shown as black and {highest:g} as white</source>
        <translation>图片 {image} 没有用到其格式的全部取值；{lowest:g} 显示为黑，{highest:g} 显示为白</translation>
    </message>
    <message>
        <source>the model is not sure of this answer ({percent} %)</source>
        <translation>模型对这个回答没有把握 ({percent} %)</translation>
    </message>
    <message>
        <source>the model is not sure of {what} ({percent} %)</source>
        <translation>模型对 {what} 没有把握 ({percent} %)</translation>
    </message>
    <message>
        <source>less than 1</source>
        <translation>不到 1</translation>
    </message>
    <message>
        <source>picture {image} has one colour all over, so there is nothing to read in it</source>
        <translation>图片 {image} 全部是同一种颜色，没有可读的内容</translation>
    </message>
    <message>
        <source>the document of picture {image} is a form that Adobe Reader alone draws (XFA), so the page may only say that; print it from there into a new PDF</source>
        <translation>图片 {image} 所属的文档是只有 Adobe Reader 才能显示的表单 (XFA)，页面上可能只有这样的提示；请在其中打印为新的 PDF</translation>
    </message>
    <message>
        <source>no typeface of this system has the letters of the labels, so the drawing has numbers: {legend}</source>
        <translation>系统中没有字体含有标签的文字，所以图中用编号表示：{legend}</translation>
    </message>
    <message>
        <source>the GPU is not used: {obstacle}; {advice}</source>
        <translation>没有使用 GPU：{obstacle}；{advice}</translation>
    </message>
    <message>
        <source>{used} threads are used instead of {asked}, because this process may use {processors} logical processors</source>
        <translation>使用 {used} 个线程而非 {asked} 个，因为本进程可用 {processors} 个逻辑处理器</translation>
    </message>
    <message>
        <source>This is the demonstration model: 21 million parameters, trained on drawn receipts, forms, windows, tables and other pages. It is often wrong.</source>
        <translation>这是演示模型：2100 万参数，用绘制的收据、表单、窗口、表格等页面训练。它经常出错。</translation>
    </message>
</context>
<context>
    <name>find</name>
    <message>
        <source>Find in this conversation</source>
        <translation>在此对话中查找</translation>
    </message>
    <message>
        <source>not found</source>
        <translation>未找到</translation>
    </message>
    <message>
        <source>{current} of {count}</source>
        <translation>第 {current} 个，共 {count} 个</translation>
    </message>
    <message>
        <source>Next</source>
        <translation>下一个</translation>
    </message>
    <message>
        <source>Previous</source>
        <translation>上一个</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>&amp;Find…</source>
        <translation>查找(&amp;F)…</translation>
    </message>
</context>
<context>
    <name>guide</name>
    <message>
        <source>&amp;Keys</source>
        <translation>按键(&amp;K)</translation>
    </message>
    <message>
        <source>&amp;What is kept and what is sent</source>
        <translation>保存与发送的内容(&amp;W)</translation>
    </message>
    <message>
        <source>&amp;Log</source>
        <translation>日志(&amp;L)</translation>
    </message>
    <message>
        <source>Save &amp;diagnostics…</source>
        <translation>保存诊断信息(&amp;D)…</translation>
    </message>
    <message>
        <source>&amp;About this program</source>
        <translation>关于本程序(&amp;A)</translation>
    </message>
    <message>
        <source>C&amp;lose</source>
        <translation>关闭(&amp;L)</translation>
    </message>
    <message>
        <source>&amp;Copy</source>
        <translation>复制(&amp;C)</translation>
    </message>
    <message>
        <source>What the program did, without questions, answers, pictures or names of files.</source>
        <translation>本程序做过的事，不含问题、回答、图片和文件名。</translation>
    </message>
    <message>
        <source>There is no log.</source>
        <translation>没有日志。</translation>
    </message>
    <message>
        <source>Saved as {path}. It holds this computer, versions, settings and the log; look at it before you send it.</source>
        <translation>已保存为 {path}。其中有本机信息、版本、设置和日志；发送之前请先查看。</translation>
    </message>
    <message>
        <source>The diagnostics were not saved: {reason}</source>
        <translation>诊断信息没有保存：{reason}</translation>
    </message>
    <message>
        <source>JSON files (*.json)</source>
        <translation>JSON 文件 (*.json)</translation>
    </message>
    <message>
        <source>dsvl2-onnx {version}

It asks your screen and your documents with DeepSeek-VL2, on this computer alone.</source>
        <translation>dsvl2-onnx {version}

它用 DeepSeek-VL2 询问您的屏幕与文档，一切只在这台电脑上进行。</translation>
    </message>
    <message>
        <source>Nothing is sent. The program opens no connection to any other computer, and reports that its libraries would send are switched off.

Pictures that you add are copied into a temporary folder, which only you can read and which is deleted when the window closes.

Conversations are kept with their pictures, unless you switch on “Keep nothing”. You can delete one of them, or all of them in the settings.

A screen that you capture is kept like any other picture. Nothing looks at the screen unless you ask for it.

A second start of the program tells the open window what to open, through a socket that only you can use.

{folders}</source>
        <translation>什么都不会发送。本程序不与任何其他电脑建立连接，它所用的库会发送的报告均已关闭。

您添加的图片会复制到一个临时文件夹，只有您能读取，窗口关闭时即删除。

对话连同图片会保存下来，除非您打开“不保存任何内容”。您可以删除其中一个，也可以在设置中全部删除。

您截取的屏幕与其他图片一样保存。除非您要求，本程序不会读取屏幕。

再次启动本程序时，它会通过只有您能使用的套接字告诉已打开的窗口要打开什么。

{folders}</translation>
    </message>
    <message>
        <source>Conversations</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>Log</source>
        <translation>日志</translation>
    </message>
    <message>
        <source>Enter</source>
        <translation>Enter</translation>
    </message>
    <message>
        <source>Ask</source>
        <translation>提问</translation>
    </message>
    <message>
        <source>Shift+Enter</source>
        <translation>Shift+Enter</translation>
    </message>
    <message>
        <source>Begin a new line</source>
        <translation>换行</translation>
    </message>
    <message>
        <source>Esc</source>
        <translation>Esc</translation>
    </message>
    <message>
        <source>Stop the answer</source>
        <translation>停止回答</translation>
    </message>
</context>
<context>
    <name>history</name>
    <message>
        <source>&amp;New</source>
        <translation>新建(&amp;N)</translation>
    </message>
    <message>
        <source>&amp;New conversation</source>
        <translation>新建对话(&amp;N)</translation>
    </message>
    <message>
        <source>Hide conversations</source>
        <translation>隐藏对话列表</translation>
    </message>
    <message>
        <source>Search conversations</source>
        <translation>搜索对话</translation>
    </message>
    <message>
        <source>&amp;Search all conversations</source>
        <translation>搜索所有对话(&amp;S)</translation>
    </message>
    <message>
        <source>No conversation holds “{query}”.</source>
        <translation>没有对话包含“{query}”。</translation>
    </message>
    <message>
        <source>Your conversations will be listed here.</source>
        <translation>您的对话会列在这里。</translation>
    </message>
    <message>
        <source>Nothing is kept. What was kept before is still there and comes back when you switch this off.</source>
        <translation>现在什么都不保存。以前保存的内容仍然在，关闭此项后会重新出现。</translation>
    </message>
    <message>
        <source>&amp;Keep nothing (private)</source>
        <translation>不保存任何内容（私密）(&amp;K)</translation>
    </message>
    <message>
        <source>Nothing of this conversation is written to the disk.</source>
        <translation>此对话的任何内容都不会写入磁盘。</translation>
    </message>
    <message>
        <source>Pinned</source>
        <translation>已置顶</translation>
    </message>
    <message>
        <source>Today</source>
        <translation>今天</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨天</translation>
    </message>
    <message>
        <source>Last seven days</source>
        <translation>最近七天</translation>
    </message>
    <message>
        <source>Last thirty days</source>
        <translation>最近三十天</translation>
    </message>
    <message>
        <source>Older</source>
        <translation>更早</translation>
    </message>
    <message>
        <source>1 question</source>
        <translation>1 个问题</translation>
    </message>
    <message>
        <source>{count} questions</source>
        <translation>{count} 个问题</translation>
    </message>
    <message>
        <source>&amp;Rename</source>
        <translation>重命名(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Pin to the top</source>
        <translation>置顶(&amp;P)</translation>
    </message>
    <message>
        <source>Un&amp;pin</source>
        <translation>取消置顶(&amp;P)</translation>
    </message>
    <message>
        <source>&amp;Delete</source>
        <translation>删除(&amp;D)</translation>
    </message>
    <message>
        <source>Export as &amp;Markdown with pictures…</source>
        <translation>导出为 &amp;Markdown（含图片）…</translation>
    </message>
    <message>
        <source>Export as &amp;JSON…</source>
        <translation>导出为 &amp;JSON…</translation>
    </message>
    <message>
        <source>JSON files (*.json)</source>
        <translation>JSON 文件 (*.json)</translation>
    </message>
    <message>
        <source>The conversation was written to {path}.</source>
        <translation>对话已写入 {path}。</translation>
    </message>
    <message>
        <source>The conversation was not written: {reason}</source>
        <translation>对话没有写入：{reason}</translation>
    </message>
    <message>
        <source>This conversation is not there any more.</source>
        <translation>此对话已不存在。</translation>
    </message>
    <message>
        <source>“{title}” was deleted.</source>
        <translation>“{title}”已删除。</translation>
    </message>
    <message>
        <source>&amp;Undo</source>
        <translation>撤销(&amp;U)</translation>
    </message>
    <message>
        <source>The file of your conversations is damaged. It was renamed to {name} in {folder}, and a new one was begun.</source>
        <translation>对话文件已损坏。它已在 {folder} 中改名为 {name}，并新建了一个文件。</translation>
    </message>
    <message>
        <source>Another program holds the file of your conversations ({path}). Close it.</source>
        <translation>另一个程序正占用对话文件 ({path})。请关闭它。</translation>
    </message>
    <message>
        <source>The file of your conversations cannot be written ({path}). Check its permissions and its disk.</source>
        <translation>对话文件 ({path}) 无法写入。请检查其权限和磁盘。</translation>
    </message>
    <message>
        <source>The file of your conversations was made by a newer version of this program ({path}).</source>
        <translation>对话文件 ({path}) 由本程序的更新版本创建。</translation>
    </message>
    <message>
        <source>The file of your conversations is damaged and cannot be renamed ({path}).</source>
        <translation>对话文件已损坏且无法改名 ({path})。</translation>
    </message>
    <message>
        <source>The disk with your conversations is full ({path}). Make room.</source>
        <translation>存放对话的磁盘已满 ({path})。请腾出空间。</translation>
    </message>
    <message>
        <source>The file of your conversations cannot be used ({path}): {detail}</source>
        <translation>对话文件 ({path}) 无法使用：{detail}</translation>
    </message>
    <message>
        <source>Until then new conversations are not kept.</source>
        <translation>在此之前，新的对话不会保存。</translation>
    </message>
    <message>
        <source>{size} GB</source>
        <translation>{size} GB</translation>
    </message>
    <message>
        <source>{size} MB</source>
        <translation>{size} MB</translation>
    </message>
</context>
<context>
    <name>models</name>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>&amp;Models…</source>
        <translation>模型(&amp;M)…</translation>
    </message>
    <message>
        <source>Demonstration</source>
        <translation>演示模型</translation>
    </message>
    <message>
        <source>Looking at the models…</source>
        <translation>正在查看模型…</translation>
    </message>
    <message>
        <source>{size} on the disk</source>
        <translation>占磁盘 {size}</translation>
    </message>
    <message>
        <source>needs {needed} of {memory} GB of memory, {available} free: {fits}</source>
        <translation>需要内存 {needed} GB，共 {memory} GB，空闲 {available} GB：{fits}</translation>
    </message>
    <message>
        <source>fits</source>
        <translation>放得下</translation>
    </message>
    <message>
        <source>close other programs first</source>
        <translation>请先关闭其他程序</translation>
    </message>
    <message>
        <source>too large for this computer</source>
        <translation>对这台电脑来说太大</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>内存</translation>
    </message>
    <message>
        <source>&amp;Use</source>
        <translation>使用(&amp;U)</translation>
    </message>
    <message>
        <source>In use</source>
        <translation>使用中</translation>
    </message>
    <message>
        <source>Loading…</source>
        <translation>正在加载…</translation>
    </message>
    <message>
        <source>&amp;Verify</source>
        <translation>校验(&amp;V)</translation>
    </message>
    <message>
        <source>Verifying, {percent} %</source>
        <translation>正在校验，{percent}%</translation>
    </message>
    <message>
        <source>All {count} files are as they were written.</source>
        <translation>全部 {count} 个文件均与写入时一致。</translation>
    </message>
    <message>
        <source>&amp;Remove…</source>
        <translation>移除(&amp;R)…</translation>
    </message>
    <message>
        <source>Delete the files of {name} ({size}, in {folder})?</source>
        <translation>要删除 {name} 的文件吗（{size}，位于 {folder}）？</translation>
    </message>
    <message>
        <source>&amp;Delete the files</source>
        <translation>删除文件(&amp;D)</translation>
    </message>
    <message>
        <source>Only &amp;forget it</source>
        <translation>仅从列表中移除(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;Cancel</source>
        <translation>取消(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Add a model…</source>
        <translation>添加模型(&amp;A)…</translation>
    </message>
    <message>
        <source>Choose the folder of a converted model, or that of an official DeepSeek-VL2 checkpoint.</source>
        <translation>请选择已转换模型的文件夹，或官方 DeepSeek-VL2 检查点的文件夹。</translation>
    </message>
    <message>
        <source>{folder} holds no model: there is neither manifest.json nor config.json with *.safetensors. Choose the folder into which you have downloaded the files.</source>
        <translation>{folder} 中没有模型：既没有 manifest.json，也没有带 *.safetensors 的 config.json。请选择您下载文件的那个文件夹。</translation>
    </message>
    <message>
        <source>Convert {name}</source>
        <translation>转换 {name}</translation>
    </message>
    <message>
        <source>Found: DeepSeek-VL2 {variant}, {size}.</source>
        <translation>找到：DeepSeek-VL2 {variant}，{size}。</translation>
    </message>
    <message>
        <source>Makes: {precision}, {disk} on the disk ({free} are free). Answers will need about {memory} of memory ({available} are free now).</source>
        <translation>将生成：{precision}，占磁盘 {disk}（空闲 {free}）。回答约需内存 {memory}（现在空闲 {available}）。</translation>
    </message>
    <message>
        <source>The disk lacks {size}. Make room, or choose another folder.</source>
        <translation>磁盘还差 {size}。请腾出空间，或选择其他文件夹。</translation>
    </message>
    <message>
        <source>{size} of an earlier attempt are there and will be used.</source>
        <translation>上次尝试留下的 {size} 仍在，将会使用。</translation>
    </message>
    <message>
        <source>Converting needs more packages. Install them with: {command}. Then open this page again.</source>
        <translation>转换需要更多软件包。请用此命令安装：{command}。然后重新打开本页。</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>精度</translation>
    </message>
    <message>
        <source>int4, the smallest</source>
        <translation>int4，最小</translation>
    </message>
    <message>
        <source>int8, closer to the original</source>
        <translation>int8，更接近原模型</translation>
    </message>
    <message>
        <source>Folder of the new model</source>
        <translation>新模型的文件夹</translation>
    </message>
    <message>
        <source>C&amp;hange…</source>
        <translation>更改(&amp;H)…</translation>
    </message>
    <message>
        <source>&amp;Convert</source>
        <translation>转换(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Resume</source>
        <translation>继续(&amp;R)</translation>
    </message>
    <message>
        <source>Ca&amp;ncel (keeps what is done)</source>
        <translation>取消（保留已完成的部分）(&amp;N)</translation>
    </message>
    <message>
        <source>&amp;Back to the models</source>
        <translation>返回模型列表(&amp;B)</translation>
    </message>
    <message>
        <source>1. Convert</source>
        <translation>1. 转换</translation>
    </message>
    <message>
        <source>2. Verify</source>
        <translation>2. 校验</translation>
    </message>
    <message>
        <source>What the program &amp;says</source>
        <translation>程序的输出(&amp;S)</translation>
    </message>
    <message>
        <source>Converting, {percent} %</source>
        <translation>正在转换，{percent}%</translation>
    </message>
    <message>
        <source>Converted and verified. It can be used now.</source>
        <translation>已转换并校验。现在可以使用。</translation>
    </message>
    <message>
        <source>Cancelled. What is finished is kept: Resume goes on there.</source>
        <translation>已取消。已完成的部分会保留：“继续”将从那里接着进行。</translation>
    </message>
    <message>
        <source>It did not work: {reason}</source>
        <translation>没有成功：{reason}</translation>
    </message>
    <message>
        <source>about {count} minutes left</source>
        <translation>约剩 {count} 分钟</translation>
    </message>
    <message>
        <source>about {count} seconds left</source>
        <translation>约剩 {count} 秒</translation>
    </message>
    <message>
        <source>You have the demonstration model</source>
        <translation>您正在使用演示模型</translation>
    </message>
    <message>
        <source>It comes with the program, is small, and was trained on drawn receipts, forms, tables and windows. It is often wrong about other pictures. For real documents, set up DeepSeek-VL2.</source>
        <translation>它随程序附带，体积很小，用绘制的收据、表单、表格和窗口训练。对其他图片它经常出错。要处理真实文档，请设置 DeepSeek-VL2。</translation>
    </message>
    <message>
        <source>Set up a full &amp;model…</source>
        <translation>设置完整模型(&amp;M)…</translation>
    </message>
    <message>
        <source>Keep the &amp;demonstration</source>
        <translation>保留演示模型(&amp;D)</translation>
    </message>
    <message>
        <source>Choose fol&amp;der…</source>
        <translation>选择文件夹(&amp;D)…</translation>
    </message>
    <message>
        <source>Use demons&amp;tration</source>
        <translation>使用演示模型(&amp;T)</translation>
    </message>
    <message>
        <source>The model was not loaded: {reason}</source>
        <translation>模型没有加载：{reason}</translation>
    </message>
</context>
<context>
    <name>password</name>
    <message>
        <source>Password of a document</source>
        <translation>文档密码</translation>
    </message>
    <message>
        <source>“{name}” is protected. Its password opens it.</source>
        <translation>“{name}”受密码保护，请输入密码打开。</translation>
    </message>
    <message>
        <source>Password</source>
        <translation>密码</translation>
    </message>
    <message>
        <source>This password does not open it.</source>
        <translation>密码不正确，无法打开。</translation>
    </message>
    <message>
        <source>Opening…</source>
        <translation>正在打开…</translation>
    </message>
    <message>
        <source>The password is not kept. Pages that you ask about are kept with the conversation, like any picture.</source>
        <translation>密码不会被保存。您提问的页面会像其他图片一样随对话保存。</translation>
    </message>
    <message>
        <source>&amp;Open</source>
        <translation>打开(&amp;O)</translation>
    </message>
    <message>
        <source>&amp;Cancel</source>
        <translation>取消(&amp;C)</translation>
    </message>
</context>
<context>
    <name>pictures</name>
    <message>
        <source>&amp;Open picture…</source>
        <translation>打开图片(&amp;O)…</translation>
    </message>
    <message>
        <source>&amp;Open</source>
        <translation>打开(&amp;O)</translation>
    </message>
    <message>
        <source>Open pictures or a PDF (Ctrl+O)</source>
        <translation>打开图片或 PDF (Ctrl+O)</translation>
    </message>
    <message>
        <source>&amp;Open…</source>
        <translation>打开(&amp;O)…</translation>
    </message>
    <message>
        <source>&amp;Paste picture</source>
        <translation>粘贴图片(&amp;P)</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>图片</translation>
    </message>
    <message>
        <source>Show me something</source>
        <translation>给我看点什么</translation>
    </message>
    <message>
        <source>Drop a picture or a PDF here, paste one with Ctrl+V, or take a piece of the screen.</source>
        <translation>把图片或 PDF 拖到这里，用 Ctrl+V 粘贴，或截取屏幕的一部分。</translation>
    </message>
    <message>
        <source>Or try:</source>
        <translation>或者试试：</translation>
    </message>
    <message>
        <source>A receipt</source>
        <translation>一张收据</translation>
    </message>
    <message>
        <source>A form</source>
        <translation>一份表单</translation>
    </message>
    <message>
        <source>Some settings</source>
        <translation>一些设置</translation>
    </message>
    <message>
        <source>No picture</source>
        <translation>没有图片</translation>
    </message>
    <message>
        <source>Picture {name}, {width} by {height} pixels</source>
        <translation>图片 {name}，{width} × {height} 像素</translation>
    </message>
    <message>
        <source>box {number}: {label}</source>
        <translation>框 {number}：{label}</translation>
    </message>
    <message>
        <source>read here</source>
        <translation>答案读自此处</translation>
    </message>
    <message>
        <source>{tokens} tokens</source>
        <translation>{tokens} 个词元</translation>
    </message>
    <message>
        <source>Delete removes a picture, Ctrl with an arrow moves it</source>
        <translation>Delete 键移除图片，Ctrl 加方向键移动图片</translation>
    </message>
    <message>
        <source>no room for this picture in the model&apos;s context</source>
        <translation>模型的上下文容不下这张图片</translation>
    </message>
    <message>
        <source>Remove the &amp;others</source>
        <translation>移除其他图片(&amp;O)</translation>
    </message>
    <message>
        <source>Remove all pictures</source>
        <translation>移除所有图片</translation>
    </message>
    <message>
        <source>Move to the &amp;left</source>
        <translation>向左移动(&amp;L)</translation>
    </message>
    <message>
        <source>Move to the &amp;right</source>
        <translation>向右移动(&amp;R)</translation>
    </message>
    <message>
        <source>Pictures of before</source>
        <translation>以前的图片</translation>
    </message>
    <message>
        <source>Zoom in (+)</source>
        <translation>放大 (+)</translation>
    </message>
    <message>
        <source>Zoom out (-)</source>
        <translation>缩小 (-)</translation>
    </message>
    <message>
        <source>Show the whole picture (0)</source>
        <translation>显示整张图片 (0)</translation>
    </message>
    <message>
        <source>Show the tiles that the model sees</source>
        <translation>显示模型看到的图块</translation>
    </message>
    <message>
        <source>Ask about a part: draw a rectangle (Shift and drag)</source>
        <translation>询问一部分：画一个矩形（按住 Shift 拖动）</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>Save the picture with its &amp;boxes…</source>
        <translation>保存带框的图片(&amp;B)…</translation>
    </message>
    <message>
        <source>Copy the p&amp;icture with its boxes</source>
        <translation>复制带框的图片(&amp;I)</translation>
    </message>
    <message>
        <source>Saved as {name}.</source>
        <translation>已保存为 {name}。</translation>
    </message>
    <message>
        <source>The picture is in the clipboard.</source>
        <translation>图片已在剪贴板中。</translation>
    </message>
    <message>
        <source>Pictures ({endings})</source>
        <translation>图片 ({endings})</translation>
    </message>
    <message>
        <source>Drop to add</source>
        <translation>松开即可添加</translation>
    </message>
    <message>
        <source>Drop to add {files} files</source>
        <translation>松开即可添加 {files} 个文件</translation>
    </message>
    <message>
        <source>{files} files, 1 is not a picture</source>
        <translation>{files} 个文件，其中 1 个不是图片</translation>
    </message>
    <message>
        <source>{files} files, {others} are not pictures</source>
        <translation>{files} 个文件，其中 {others} 个不是图片</translation>
    </message>
    <message>
        <source>This is not a picture or a PDF</source>
        <translation>这不是图片或 PDF</translation>
    </message>
    <message>
        <source>A web link: nothing is downloaded</source>
        <translation>这是网页链接：本程序不下载任何内容</translation>
    </message>
    <message>
        <source>pasted {number}.png</source>
        <translation>粘贴 {number}.png</translation>
    </message>
    <message>
        <source>Pages of the document</source>
        <translation>文档的页面</translation>
    </message>
    <message>
        <source>Page {number} of {count}</source>
        <translation>第 {number} 页，共 {count} 页</translation>
    </message>
    <message>
        <source>Page {number}</source>
        <translation>第 {number} 页</translation>
    </message>
    <message>
        <source>{name}, page {number}</source>
        <translation>{name}，第 {number} 页</translation>
    </message>
    <message>
        <source>Pages to ask about, such as 1-3,7; Enter takes them</source>
        <translation>要询问的页，例如 1-3,7；按 Enter 确定</translation>
    </message>
    <message>
        <source>All {count} pages fit</source>
        <translation>全部 {count} 页都放得下</translation>
    </message>
    <message>
        <source>One page of {count} fits</source>
        <translation>{count} 页中放得下 1 页</translation>
    </message>
    <message>
        <source>{fitting} pages of {count} fit</source>
        <translation>{count} 页中放得下 {fitting} 页</translation>
    </message>
    <message>
        <source>Each &amp;page</source>
        <translation>逐页提问(&amp;P)</translation>
    </message>
    <message>
        <source>Ask about each chosen page by itself, one after the other; those that wait can be taken back</source>
        <translation>对选中的每一页分别提问，一页接一页；还在等待的问题可以撤回</translation>
    </message>
    <message>
        <source>One question for each chosen page</source>
        <translation>选中的每一页各一个问题</translation>
    </message>
    <message>
        <source>Take the document away</source>
        <translation>移除文档</translation>
    </message>
    <message>
        <source>There is no picture in the clipboard.</source>
        <translation>剪贴板中没有图片。</translation>
    </message>
</context>
<context>
    <name>prompt</name>
    <message>
        <source>&amp;Ask</source>
        <translation>提问(&amp;A)</translation>
    </message>
    <message>
        <source>&amp;Stop</source>
        <translation>停止(&amp;S)</translation>
    </message>
    <message>
        <source>&amp;Ask next</source>
        <translation>接着提问(&amp;A)</translation>
    </message>
    <message>
        <source>What to find: the total</source>
        <translation>要找的内容：总额</translation>
    </message>
    <message>
        <source>Fields: date, total, vendor</source>
        <translation>字段：日期、总额、商家</translation>
    </message>
    <message>
        <source>Ask about the picture</source>
        <translation>就图片提问</translation>
    </message>
    <message>
        <source>Question</source>
        <translation>问题</translation>
    </message>
    <message>
        <source>Read text</source>
        <translation>读文字</translation>
    </message>
    <message>
        <source>Table</source>
        <translation>表格</translation>
    </message>
    <message>
        <source>Locate</source>
        <translation>定位</translation>
    </message>
    <message>
        <source>Fields</source>
        <translation>字段</translation>
    </message>
    <message>
        <source>Describe</source>
        <translation>描述</translation>
    </message>
    <message>
        <source>Chart</source>
        <translation>图表</translation>
    </message>
    <message>
        <source>Read all the text</source>
        <translation>读出全部文字</translation>
    </message>
    <message>
        <source>Read the table</source>
        <translation>读出表格</translation>
    </message>
    <message>
        <source>Find something and show where it is</source>
        <translation>找出某物并指出位置</translation>
    </message>
    <message>
        <source>Read named fields of a form</source>
        <translation>读出表单中指定的字段</translation>
    </message>
    <message>
        <source>Describe the picture</source>
        <translation>描述图片</translation>
    </message>
    <message>
        <source>Read the values of the chart</source>
        <translation>读出图表中的数值</translation>
    </message>
    <message>
        <source>Ready-made questions</source>
        <translation>现成的问题</translation>
    </message>
    <message>
        <source>Add a picture first.</source>
        <translation>请先添加图片。</translation>
    </message>
    <message>
        <source>Type a question.</source>
        <translation>请输入问题。</translation>
    </message>
    <message>
        <source>A picture is still being read; the question is asked after it.</source>
        <translation>还有图片正在读取；读完后即提问。</translation>
    </message>
</context>
<context>
    <name>second_look</name>
    <message>
        <source>Looking closer…</source>
        <translation>正在再仔细看一遍…</translation>
    </message>
    <message>
        <source>Look closer</source>
        <translation>再仔细看一遍</translation>
    </message>
    <message>
        <source>Enlarges the pictures, or parts of one, and asks again; the surest answer stays.</source>
        <translation>放大图片或图片的各部分再问一遍，保留最有把握的回答。</translation>
    </message>
    <message>
        <source>Looks closer next</source>
        <translation>接下来再仔细看一遍</translation>
    </message>
    <message>
        <source>Looks closer, number {place} in the queue</source>
        <translation>等待再仔细看一遍，排在第 {place} 位</translation>
    </message>
    <message>
        <source>Looks closer when the model is there</source>
        <translation>模型就绪后再仔细看一遍</translation>
    </message>
    <message>
        <source>The second look failed, the first answer stays: {reason}</source>
        <translation>再看一遍时出错，保留第一遍的回答：{reason}</translation>
    </message>
    <message>
        <source>the pictures cannot be seen larger</source>
        <translation>图片无法再放大来看</translation>
    </message>
    <message>
        <source>looked at again</source>
        <translation>已再看一遍</translation>
    </message>
    <message>
        <source>A second look at larger pictures led to no other answer.</source>
        <translation>放大图片再看一遍，没有得到别的回答。</translation>
    </message>
    <message>
        <source>The places were looked at again in larger pictures.</source>
        <translation>已放大图片再核对位置。</translation>
    </message>
    <message>
        <source>Read at first: {answer}</source>
        <translation>第一遍读到的是：{answer}</translation>
    </message>
    <message>
        <source>Look again where unsure</source>
        <translation>没有把握时再看一遍</translation>
    </message>
    <message>
        <source>Takes about as long again, for a whole screen up to six times; a button at doubtful answers does it where this is off.</source>
        <translation>约需再花一倍时间，整个屏幕最多需再花六倍；关闭时，可用没有把握的回答旁的按钮来做。</translation>
    </message>
</context>
<context>
    <name>settings</name>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>&amp;Settings…</source>
        <translation>设置(&amp;S)…</translation>
    </message>
    <message>
        <source>&amp;Close</source>
        <translation>关闭(&amp;C)</translation>
    </message>
    <message>
        <source>Pages</source>
        <translation>页面</translation>
    </message>
    <message>
        <source>General</source>
        <translation>常规</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Capture and keys</source>
        <translation>截屏与按键</translation>
    </message>
    <message>
        <source>Privacy</source>
        <translation>隐私</translation>
    </message>
    <message>
        <source>Advanced</source>
        <translation>高级</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>The window speaks it from the next start.</source>
        <translation>下次启动时生效。</translation>
    </message>
    <message>
        <source>As the system</source>
        <translation>跟随系统</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>浅色</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>深色</translation>
    </message>
    <message>
        <source>Theme</source>
        <translation>主题</translation>
    </message>
    <message>
        <source>Light or dark; by default it follows the system.</source>
        <translation>浅色或深色；默认跟随系统。</translation>
    </message>
    <message>
        <source>Text size</source>
        <translation>文字大小</translation>
    </message>
    <message>
        <source>All texts of the window, from 80 to 200 percent.</source>
        <translation>窗口中的所有文字，80% 到 200%。</translation>
    </message>
    <message>
        <source>Start with the last conversation</source>
        <translation>启动时打开上次的对话</translation>
    </message>
    <message>
        <source>Otherwise the window starts with an empty one.</source>
        <translation>否则窗口以空对话开始。</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>线程数</translation>
    </message>
    <message>
        <source>Fewer leave more to other programs; the model is loaded again.</source>
        <translation>线程少些，留给其他程序的就多些；模型会重新加载。</translation>
    </message>
    <message>
        <source>One for each core</source>
        <translation>每个核心一个</translation>
    </message>
    <message>
        <source>Longest answer</source>
        <translation>回答的最大长度</translation>
    </message>
    <message>
        <source>In tokens; a token is a short word or a piece of one.</source>
        <translation>以词元计；一个词元是一个短词或词的一部分。</translation>
    </message>
    <message>
        <source> tokens</source>
        <translation> 个词元</translation>
    </message>
    <message>
        <source>Variation</source>
        <translation>变化程度</translation>
    </message>
    <message>
        <source>0 always takes the likeliest word, which is best for reading.</source>
        <translation>0 总是取可能性最大的词，最适合识读。</translation>
    </message>
    <message>
        <source>&amp;Models…</source>
        <translation>模型(&amp;M)…</translation>
    </message>
    <message>
        <source>Add, convert, check or remove models.</source>
        <translation>添加、转换、检查或移除模型。</translation>
    </message>
    <message>
        <source>Icon in the notification area</source>
        <translation>通知区域图标</translation>
    </message>
    <message>
        <source>From there the screen can be captured while the window is closed.</source>
        <translation>窗口关闭时也可以从那里截取屏幕。</translation>
    </message>
    <message>
        <source>Command for a key of your desktop</source>
        <translation>供桌面快捷键使用的命令</translation>
    </message>
    <message>
        <source>Bind it in the settings of your system; it works wherever you are.</source>
        <translation>在系统设置中为它指定按键，在任何地方都可使用。</translation>
    </message>
    <message>
        <source>Cop&amp;y</source>
        <translation>复制(&amp;Y)</translation>
    </message>
    <message>
        <source>Choose a field and press other keys, or clear it to have none.</source>
        <translation>选中一栏并按下其他按键；清空则不设按键。</translation>
    </message>
    <message>
        <source>Usual key</source>
        <translation>默认按键</translation>
    </message>
    <message>
        <source>No key</source>
        <translation>无按键</translation>
    </message>
    <message>
        <source>“{name}” has these keys already.</source>
        <translation>“{name}”已使用这些按键。</translation>
    </message>
    <message>
        <source>Keep conversations</source>
        <translation>保存对话</translation>
    </message>
    <message>
        <source>With their pictures, on this computer alone.</source>
        <translation>连同图片，只保存在本机。</translation>
    </message>
    <message>
        <source>Where they are</source>
        <translation>存放位置</translation>
    </message>
    <message>
        <source>&amp;Open folder</source>
        <translation>打开文件夹(&amp;O)</translation>
    </message>
    <message>
        <source>{size} are kept there.</source>
        <translation>那里保存了 {size}。</translation>
    </message>
    <message>
        <source>&amp;Delete everything…</source>
        <translation>全部删除(&amp;D)…</translation>
    </message>
    <message>
        <source>All conversations and pictures; this cannot be undone.</source>
        <translation>所有对话和图片；此操作无法撤销。</translation>
    </message>
    <message>
        <source>Delete all conversations and their pictures for good?</source>
        <translation>要永久删除所有对话及其图片吗？</translation>
    </message>
    <message>
        <source>&amp;Delete everything</source>
        <translation>全部删除(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;Cancel</source>
        <translation>取消(&amp;C)</translation>
    </message>
    <message>
        <source>Everything was deleted.</source>
        <translation>已全部删除。</translation>
    </message>
    <message>
        <source>Network: none</source>
        <translation>网络：无</translation>
    </message>
    <message>
        <source>The program opens no connection; reports that its libraries would send are switched off.</source>
        <translation>本程序不建立任何连接；它所用的库会发送的报告均已关闭。</translation>
    </message>
    <message>
        <source>File of settings</source>
        <translation>设置文件</translation>
    </message>
    <message>
        <source>Files that can be made again</source>
        <translation>可以重新生成的文件</translation>
    </message>
    <message>
        <source>Version</source>
        <translation>版本</translation>
    </message>
    <message>
        <source>The usual settings hold: {reason}</source>
        <translation>使用默认设置：{reason}</translation>
    </message>
    <message>
        <source>Your settings were not saved. {reason}</source>
        <translation>您的设置没有保存。{reason}</translation>
    </message>
</context>
<context>
    <name>talk</name>
    <message>
        <source>Add a picture, then ask.
Everything stays on this computer.</source>
        <translation>添加一张图片，然后提问。
一切都留在这台电脑上。</translation>
    </message>
    <message>
        <source>Questions and answers</source>
        <translation>问题与回答</translation>
    </message>
    <message>
        <source>Show {count} earlier</source>
        <translation>显示更早的 {count} 条</translation>
    </message>
    <message>
        <source>Where is: {thing}</source>
        <translation>在哪里：{thing}</translation>
    </message>
    <message>
        <source>Read the fields: {names}</source>
        <translation>读出字段：{names}</translation>
    </message>
    <message>
        <source>Show all</source>
        <translation>全部显示</translation>
    </message>
    <message>
        <source>Show less</source>
        <translation>收起</translation>
    </message>
    <message>
        <source>[picture: {name}]</source>
        <translation>[图片：{name}]</translation>
    </message>
    <message>
        <source>Place {number} on the picture</source>
        <translation>图片上的位置 {number}</translation>
    </message>
    <message>
        <source>Copy the code</source>
        <translation>复制代码</translation>
    </message>
    <message>
        <source>&amp;Copy answer</source>
        <translation>复制回答(&amp;C)</translation>
    </message>
    <message>
        <source>Copy as &amp;Markdown</source>
        <translation>复制为 Markdown(&amp;M)</translation>
    </message>
    <message>
        <source>Copy the &amp;table as CSV</source>
        <translation>将表格复制为 CSV(&amp;T)</translation>
    </message>
    <message>
        <source>Copy the answers of all &amp;pages</source>
        <translation>复制所有页面的回答(&amp;P)</translation>
    </message>
    <message>
        <source>Sto&amp;p all questions</source>
        <translation>停止所有问题(&amp;P)</translation>
    </message>
    <message>
        <source>Stop all ({count} wait)</source>
        <translation>全部停止（{count} 个等待中）</translation>
    </message>
    <message>
        <source>&amp;Ask again</source>
        <translation>再问一次(&amp;A)</translation>
    </message>
    <message>
        <source>&amp;Edit</source>
        <translation>编辑(&amp;E)</translation>
    </message>
    <message>
        <source>Take &amp;back</source>
        <translation>收回(&amp;B)</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
    <message>
        <source>Start ane&amp;w with these pictures</source>
        <translation>用这些图片重新开始(&amp;W)</translation>
    </message>
    <message>
        <source>Drop the oldest &amp;questions</source>
        <translation>舍弃最早的问题(&amp;Q)</translation>
    </message>
    <message>
        <source>Copied.</source>
        <translation>已复制。</translation>
    </message>
    <message>
        <source>Asked next</source>
        <translation>接下来提问</translation>
    </message>
    <message>
        <source>Waits, number {place} in the queue</source>
        <translation>等待中，排在第 {place} 位</translation>
    </message>
    <message>
        <source>Asked when the model is there</source>
        <translation>模型就绪后提问</translation>
    </message>
    <message>
        <source>Asked when the model is there, about {seconds} s</source>
        <translation>模型就绪后提问，约 {seconds} 秒</translation>
    </message>
    <message>
        <source>Stopping…</source>
        <translation>正在停止…</translation>
    </message>
    <message>
        <source>{phase} · step {step} of {steps}</source>
        <translation>{phase} · 第 {step} 步，共 {steps} 步</translation>
    </message>
    <message>
        <source>Asked</source>
        <translation>已提问</translation>
    </message>
    <message>
        <source>about {seconds} s left</source>
        <translation>约剩 {seconds} 秒</translation>
    </message>
    <message>
        <source>{speed} tokens/s</source>
        <translation>{speed} 词元/秒</translation>
    </message>
    <message>
        <source>read again from memory</source>
        <translation>从记忆中读取</translation>
    </message>
    <message>
        <source>more than {percent} % sure</source>
        <translation>把握超过 {percent} %</translation>
    </message>
    <message>
        <source>{percent} % sure</source>
        <translation>把握 {percent} %</translation>
    </message>
    <message>
        <source>How likely the model finds this answer, letter for letter. It can be sure of what is wrong.</source>
        <translation>模型认为这个回答一字不差的可能性。它也可能对错误的答案很有把握。</translation>
    </message>
    <message>
        <source>later questions do not know of it</source>
        <translation>之后的问题不知道它</translation>
    </message>
    <message>
        <source>The engine could not read this question: {reason}</source>
        <translation>推理进程无法读取这个问题：{reason}</translation>
    </message>
    <message>
        <source>This needs {needed} of {context} tokens: {pictures} for pictures, the rest for what was said.</source>
        <translation>需要 {context} 个词元中的 {needed} 个：图片占 {pictures} 个，其余为对话内容。</translation>
    </message>
    <message>
        <source>stopped; the engine was started again for that</source>
        <translation>已停止；为此重新启动了推理进程</translation>
    </message>
    <message>
        <source>The engine stopped before the answer was complete: {reason}. Nothing of this conversation is lost.</source>
        <translation>回答完成之前推理进程已停止：{reason}。此对话没有丢失任何内容。</translation>
    </message>
    <message>
        <source>{tokens} tokens in {seconds} s</source>
        <translation>{tokens} 个词元，用时 {seconds} 秒</translation>
    </message>
    <message>
        <source>stopped, {took}</source>
        <translation>已停止，{took}</translation>
    </message>
    <message>
        <source>cut off at the longest answer, {took}</source>
        <translation>达到最大长度，已截断，{took}</translation>
    </message>
    <message>
        <source>cut off because it went round in circles, {took}</source>
        <translation>因内容重复已截断，{took}</translation>
    </message>
    <message>
        <source>cut off at the time limit, {took}</source>
        <translation>达到时间限制，已截断，{took}</translation>
    </message>
    <message>
        <source>no picture</source>
        <translation>没有图片</translation>
    </message>
    <message>
        <source>1 picture</source>
        <translation>1 张图片</translation>
    </message>
    <message>
        <source>{count} pictures</source>
        <translation>{count} 张图片</translation>
    </message>
    <message>
        <source>{count} pictures are seen in less detail, because of more than {most} each gets one tile</source>
        <translation>{count} 张图片看得较粗略，因为超过 {most} 张时每张只有一个图块</translation>
    </message>
    <message>
        <source>{notice} (the same of {count} more)</source>
        <translation>{notice}（另有 {count} 张相同）</translation>
    </message>
    <message>
        <source>Question: {question}. Answer: {answer}. {state}</source>
        <translation>问题：{question}。回答：{answer}。{state}</translation>
    </message>
    <message>
        <source>The question failed: {reason}</source>
        <translation>提问失败：{reason}</translation>
    </message>
    <message>
        <source>The answer was stopped.</source>
        <translation>回答已停止。</translation>
    </message>
    <message>
        <source>The answer is complete: {answer}</source>
        <translation>回答已完成：{answer}</translation>
    </message>
    <message>
        <source>The question was not sent: it has {size} bytes, and at most {limit} are read. Make it shorter.</source>
        <translation>问题没有发送：它有 {size} 字节，最多读取 {limit} 字节。请缩短问题。</translation>
    </message>
    <message>
        <source>{pictures}: {tokens} of {context} tokens</source>
        <translation>{pictures}：{context} 个词元中的 {tokens} 个</translation>
    </message>
    <message>
        <source>{tiles} tiles</source>
        <translation>{tiles} 个图块</translation>
    </message>
    <message>
        <source>1 tile</source>
        <translation>1 个图块</translation>
    </message>
    <message>
        <source>about {seconds} s on this computer</source>
        <translation>在这台电脑上约 {seconds} 秒</translation>
    </message>
    <message>
        <source>about {least} to {most} s on this computer</source>
        <translation>在这台电脑上约 {least} 至 {most} 秒</translation>
    </message>
    <message>
        <source>{count} questions, one for each page; each at most {cost}</source>
        <translation>{count} 个问题，每页一个；每个最多 {cost}</translation>
    </message>
    <message>
        <source>{count} pictures need {needed} of {context} tokens: choose up to {most}.</source>
        <translation>{count} 张图片需要 {needed} 个词元，上限为 {context} 个：请最多选 {most} 张。</translation>
    </message>
    <message>
        <source>With what was said before, this needs {needed} of {context} tokens.</source>
        <translation>连同之前的对话，需要 {context} 个词元中的 {needed} 个。</translation>
    </message>
    <message>
        <source>The question is too long: with its pictures it needs at least {needed} of {context} tokens.</source>
        <translation>问题太长：连同图片至少需要 {context} 个词元中的 {needed} 个。</translation>
    </message>
    <message>
        <source>Cancel &amp;loading</source>
        <translation>取消加载(&amp;L)</translation>
    </message>
</context>
<context>
    <name>window</name>
    <message>
        <source>&amp;File</source>
        <translation>文件(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation>视图(&amp;V)</translation>
    </message>
    <message>
        <source>&amp;Conversation</source>
        <translation>对话(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Help</source>
        <translation>帮助(&amp;H)</translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation>退出(&amp;Q)</translation>
    </message>
    <message>
        <source>Show &amp;conversations</source>
        <translation>显示对话列表(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Theme</source>
        <translation>主题(&amp;T)</translation>
    </message>
    <message>
        <source>As the &amp;system</source>
        <translation>跟随系统(&amp;S)</translation>
    </message>
    <message>
        <source>&amp;Light</source>
        <translation>浅色(&amp;L)</translation>
    </message>
    <message>
        <source>&amp;Dark</source>
        <translation>深色(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;Next pane</source>
        <translation>下一个窗格(&amp;N)</translation>
    </message>
    <message>
        <source>Text &amp;larger</source>
        <translation>放大文字(&amp;L)</translation>
    </message>
    <message>
        <source>Text &amp;smaller</source>
        <translation>缩小文字(&amp;S)</translation>
    </message>
    <message>
        <source>Text n&amp;ormal</source>
        <translation>正常文字(&amp;O)</translation>
    </message>
    <message>
        <source>Conversations</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>Conversation</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>The model that answers</source>
        <translation>回答问题的模型</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>进度</translation>
    </message>
    <message>
        <source>Settings (Ctrl+,)</source>
        <translation>设置 (Ctrl+,)</translation>
    </message>
    <message>
        <source>{number} tokens/s</source>
        <translation>{number} 词元/秒</translation>
    </message>
    <message>
        <source>context {used} / {most}</source>
        <translation>上下文 {used} / {most}</translation>
    </message>
    <message>
        <source>How much of what the model can remember this conversation takes</source>
        <translation>此对话占用模型记忆的多少</translation>
    </message>
    <message>
        <source>memory {number} GB</source>
        <translation>内存 {number} GB</translation>
    </message>
    <message>
        <source>Memory of the window and the engine together</source>
        <translation>窗口与推理进程合计占用的内存</translation>
    </message>
    <message>
        <source>Off&amp;line</source>
        <translation>离线(&amp;L)</translation>
    </message>
    <message>
        <source>Nothing leaves this computer: what is kept where</source>
        <translation>一切都留在这台电脑上：什么保存在哪里</translation>
    </message>
    <message>
        <source>Nothing leaves this computer</source>
        <translation>一切都留在这台电脑上</translation>
    </message>
    <message>
        <source>The program opens no connection to the network.</source>
        <translation>本程序不建立任何网络连接。</translation>
    </message>
    <message>
        <source>Pictures are copied into a temporary folder that only you can read; it is deleted when the window closes.</source>
        <translation>图片会复制到只有您能读取的临时文件夹；窗口关闭时即删除。</translation>
    </message>
    <message>
        <source>Conversations are kept on this computer until you delete them; “Keep nothing” keeps none.</source>
        <translation>对话保存在这台电脑上，直到您删除；“不保存任何内容”则一个也不保存。</translation>
    </message>
    <message>
        <source>Size, place and theme of the window: {folder}</source>
        <translation>窗口的大小、位置和主题：{folder}</translation>
    </message>
    <message>
        <source>Close all {count}</source>
        <translation>全部关闭（{count}）</translation>
    </message>
    <message>
        <source>Close this note</source>
        <translation>关闭此提示</translation>
    </message>
    <message>
        <source>Pictures ({endings})</source>
        <translation>图片 ({endings})</translation>
    </message>
    <message>
        <source>All files (*)</source>
        <translation>所有文件 (*)</translation>
    </message>
</context>
</TS>
