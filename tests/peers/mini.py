"""mini and its heads in PyTorch, written from the figure and sharing no line with ours."""
import torch.nn.functional as F


def forward(p, x, name):
    """mini and its head, p the weights by name."""
    def conv(layer, x):
        return F.conv2d(x, p[f"{layer}.w"], p[f"{layer}.b"], padding="same")

    def up(layer, scores, factor, like):
        y = F.conv_transpose2d(scores, p[f"{layer}.w"], stride=factor, padding=factor // 2)
        return y[:, :, :like.shape[2], :like.shape[3]]

    pools = {}
    height_width = x
    for stage, convs in enumerate((1, 1, 2, 2, 2), 1):
        for i in range(1, convs + 1):
            x = F.relu(conv(f"conv{stage}_{i}", x))
        x = pools[stage] = F.max_pool2d(x, 2, ceil_mode=True)
    scores = conv("score_fr", F.relu(conv("fc7", F.relu(conv("fc6", x)))))
    if name == "fcn32s":
        return up("upscore", scores, 32, height_width)
    scores = up("upscore2", scores, 2, pools[4]) + conv("score_pool4", pools[4])
    if name == "fcn16s":
        return up("upscore16", scores, 16, height_width)
    scores = up("upscore_pool4", scores, 2, pools[3]) + conv("score_pool3", pools[3])
    return up("upscore8", scores, 8, height_width)
