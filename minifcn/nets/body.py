"""What every body is: layers with named taps, and what a head must know of them."""
from minifcn.nets.geometry import Grid, fields, grids
from minifcn.nets.graph import Graph


class Body(Graph):
    """Layers that end in a coarse map and hand out finer ones on the way.

    channels: how many each tap has, the coarse one last; `fits`: convolutions are padded so that maps cover just the
    image, and upsampling layers must do the same; otherwise the input is padded once, and maps are cropped. `side`: of
    the images that the classifier over this body takes. `streams`: suffixes of the layers' names where several streams
    run side by side, each with taps of its own.
    """

    short = "fr"  # what the authors call the score of the coarse map: score_fr

    def __init__(self, name, layers, channels, fits, preprocess, side=None, last="fc8", inputs=None, streams=("",)):
        super().__init__(layers, inputs, [tap + stream for stream in streams for tap in channels])
        self.name, self.channels, self.fits, self.preprocess = name, dict(channels), fits, preprocess
        self.side, self.last, self.streams = side, last, streams

    @property
    def coarse(self):
        """The tap that ends it."""
        return list(self.channels)[-1]

    @property
    def grids(self):
        """{name: Grid} of every map."""
        return grids(self, {"data": Grid()})

    @property
    def fields(self):
        """{name: receptive field} of every map."""
        return fields(self, self.grids, {"data": 1})

    def forward(self, x, train=False):
        """x (N,C,H,W) -> {tap: map}."""
        return super().forward({"data": x}, train)

    def backward(self, douts):
        """{tap: gradient} -> that of x, None where nobody needs it."""
        return super().backward(douts).get("data")

    def until(self, tap):
        """The body that ends at one of its taps; its layers are these."""
        taps = list(self.channels)
        if tap not in taps:
            raise ValueError(f"body {self.name} has no {tap}; it has {', '.join(taps)}")
        channels = {name: self.channels[name] for name in taps[:taps.index(tap) + 1]}
        layers, inputs = super().until([tap + stream for stream in self.streams])
        cut = Body(self.name, layers, channels, self.fits, self.preprocess, inputs=inputs, streams=self.streams)
        cut.short = tap
        return cut
