"""What every body is: layers with named taps, and what a head must know of them."""
from minifcn.layers import Sequential


class Body(Sequential):
    """Layers that end in a coarse map and hand out finer ones on the way.

    channels: how many each tap has; `fits`: convolutions are padded so that maps cover just the image, and upsampling
    layers must do the same; otherwise the input is padded once, and maps are cropped.
    """

    def __init__(self, name, layers, channels, coarse, fits, preprocess):
        super().__init__(layers, channels)
        self.name, self.channels, self.coarse, self.fits, self.preprocess = name, channels, coarse, fits, preprocess
