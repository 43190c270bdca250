"""A test picture with a running frame counter, for the eye and for programs, and a tone: no file, no camera.

The counter stands in the picture twice: as digits, and as two rows of 16 black or white blocks at the bottom which
hold 24 bits of counter and a CRC-8. Blocks are far larger than a codec's transform, so they survive any bitrate at
which the picture can be recognised at all, and any scaling that keeps the whole picture.
"""

import asyncio
import fractions
import math
from array import array

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from foundation.errors import LocalError

COUNTER_MODULUS = 1 << 24
"""The counter begins again after this many frames: six days at 30 a second."""

_video_clock_rate = 90_000
_audio_clock_rate = 48_000
_samples_per_frame = 960
_tone_hz = 440
_tone_amplitude = 8192

_blocks_per_row = 16
_width_min, _height_min = 160, 96

_black, _dark, _white, _grey = 16, 40, 235, 128
_bars = ((235, 128, 128), (210, 16, 146), (170, 166, 16), (145, 54, 34), (107, 202, 222), (82, 90, 240), (41, 240, 110))
"""Y, Cb and Cr of BT.601 colour bars: white, yellow, cyan, green, magenta, red, blue."""

_black_below, _white_above = 100, 156
"""Luma between these two is neither: the picture is none of ours, or too damaged to be believed."""

_glyphs = (
    (0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110),
    (0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110),
    (0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111),
    (0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110),
    (0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010),
    (0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110),
    (0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110),
    (0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000),
    (0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110),
    (0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100),
)
_glyph_rows, _glyph_columns, _digits = 7, 6, 8


class TestPicture(MediaStreamTrack):
    """A video track of `frames_per_second` pictures of `width` x `height`, both even: colour bars, the counter in
    digits, a square that moves, and the counter in blocks. Raises `LocalError` for a size it cannot draw.
    """

    __test__ = False
    kind = "video"

    def __init__(self, width: int = 640, height: int = 360, frames_per_second: int = 30) -> None:
        super().__init__()
        self._painter = _Painter(width, height)
        self._pace = _Pace(1 / frames_per_second)
        self._ticks = _video_clock_rate // frames_per_second
        self.counter = 0
        """Of the next frame."""

    async def recv(self) -> VideoFrame:
        """The next frame, when its time has come. Raises `MediaStreamError` once stopped."""
        await self._pace.wait()
        if self.readyState != "live":
            raise MediaStreamError
        frame = self._painter.paint(self.counter % COUNTER_MODULUS)
        frame.pts = self.counter * self._ticks
        frame.time_base = fractions.Fraction(1, _video_clock_rate)
        self.counter += 1
        return frame


class TestTone(MediaStreamTrack):
    """An audio track with a sine of 440 Hz at a quarter of full scale: 48 kHz, mono, frames of 20 ms."""

    __test__ = False
    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._pace = _Pace(_samples_per_frame / _audio_clock_rate)
        self._waves = _tone_frames()
        self._frames = 0

    async def recv(self) -> AudioFrame:
        """The next frame, when its time has come. Raises `MediaStreamError` once stopped."""
        await self._pace.wait()
        if self.readyState != "live":
            raise MediaStreamError
        frame = AudioFrame(format="s16", layout="mono", samples=_samples_per_frame)
        frame.planes[0].update(self._waves[self._frames % len(self._waves)])
        frame.sample_rate = _audio_clock_rate
        frame.pts = self._frames * _samples_per_frame
        frame.time_base = fractions.Fraction(1, _audio_clock_rate)
        self._frames += 1
        return frame


def read_counter(frame: VideoFrame) -> int | None:
    """The counter of a test picture, however it was coded and scaled on its way; None when it cannot be read."""
    if not frame.format.name.startswith(("yuv420p", "yuvj420p", "nv12")):
        frame = frame.reformat(format="yuv420p")
    plane = frame.planes[0]
    luma, stride = memoryview(plane).cast("B"), plane.line_size
    word = 0
    for row in range(2):
        for column in range(_blocks_per_row):
            level = _block_level(luma, stride, frame.width, frame.height, row, column)
            if _black_below <= level <= _white_above:
                return None
            word = word << 1 | (level > _white_above)
    counter, check = word >> 8, word & 0xFF
    return counter if check == _crc8(counter) else None


def loudness(frame: AudioFrame) -> float:
    """The root mean square of 16-bit audio, 0 to 1; 0 for other formats, which no decoder of aiortc gives."""
    if frame.format.name != "s16":
        return 0.0
    samples = memoryview(frame.planes[0]).cast("B")[: frame.samples * len(frame.layout.channels) * 2].cast("h")
    # Every fourth sample is enough to tell sound from silence.
    some = samples.tolist()[::4]
    return math.sqrt(sum(value * value for value in some) / len(some)) / 32768 if some else 0.0


class _Pace:
    """Lets one frame through every `seconds`, by the loop's clock; one that is late is let through at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: float | None = None

    async def wait(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._due is None:
            self._due = now
        if self._due > now:
            await asyncio.sleep(self._due - now)
        self._due += self._seconds


class _Painter:
    """Draws by replacing whole lines of one luma plane; the chroma planes never change."""

    def __init__(self, width: int, height: int) -> None:
        if width < _width_min or height < _height_min or width % 2 or height % 2:
            raise LocalError(f"a test picture of {width}x{height}: give even numbers from {_width_min}x{_height_min}")
        self._width, self._height = width, height
        luma, chroma, _ = VideoFrame(width, height, "yuv420p").planes
        self._stride = luma.line_size
        self._luma = bytearray(bytes((_dark,)) * luma.buffer_size)
        self._bars_bottom = height // 5 & ~1
        self._put(0, self._bars_bottom, _bar_line(width, 0))
        self._chroma = [
            _bar_line(width // 2, component).ljust(chroma.line_size, bytes((_grey,))) * (self._bars_bottom // 2)
            + bytes((_grey,)) * (chroma.buffer_size - chroma.line_size * (self._bars_bottom // 2))
            for component in (1, 2)
        ]
        self._scale = max(1, min(width // (_digits * _glyph_columns + 2), height * 3 // 10 // _glyph_rows))
        self._glyph_lines = [[_glyph_line(bits, self._scale) for bits in glyph] for glyph in _glyphs]
        self._square = height // 10
        self._blocks = [_level_run(level, width) for level in (_black, _white)]

    def paint(self, counter: int) -> VideoFrame:
        self._paint_digits(counter)
        self._paint_square(counter)
        self._paint_blocks(counter)
        frame = VideoFrame(self._width, self._height, "yuv420p")
        for plane, data in zip(frame.planes, (self._luma, *self._chroma), strict=True):
            plane.update(bytes(data))
        return frame

    def _paint_digits(self, counter: int) -> None:
        top = self._height // 4
        margin = _level_run(_dark, (self._width - _digits * _glyph_columns * self._scale) // 2)
        glyphs = [self._glyph_lines[int(digit)] for digit in f"{counter:0{_digits}d}"]
        for row in range(_glyph_rows):
            line = margin + b"".join(glyph[row] for glyph in glyphs)
            self._put(top + row * self._scale, self._scale, line)

    def _paint_square(self, counter: int) -> None:
        way = self._width - self._square
        # 4 pixels a frame are seen as motion and cost an encoder next to nothing.
        left = abs((counter * 4 + way) % (2 * way) - way)
        line = _level_run(_dark, left) + _level_run(_white, self._square)
        self._put(self._height * 6 // 10, self._square, line)

    def _paint_blocks(self, counter: int) -> None:
        word = counter << 8 | _crc8(counter)
        edges = [self._width * column // _blocks_per_row for column in range(_blocks_per_row + 1)]
        for row in range(2):
            bits = word >> _blocks_per_row * (1 - row)
            line = b"".join(
                self._blocks[bits >> (_blocks_per_row - 1 - column) & 1][: edges[column + 1] - edges[column]]
                for column in range(_blocks_per_row)
            )
            top, bottom = (self._height * part // 8 for part in (6 + row, 7 + row))
            self._put(top, bottom - top, line)

    def _put(self, top: int, rows: int, line: bytes) -> None:
        start = top * self._stride
        self._luma[start : start + rows * self._stride] = line.ljust(self._stride, bytes((_dark,))) * rows


def _level_run(level: int, length: int) -> bytes:
    return bytes((level,)) * length


def _bar_line(width: int, component: int) -> bytes:
    bars = len(_bars)
    edges = [width * index // bars for index in range(bars + 1)]
    return b"".join(_level_run(bar[component], edges[i + 1] - edges[i]) for i, bar in enumerate(_bars))


def _glyph_line(bits: int, scale: int) -> bytes:
    pixels = (_white if bits >> (4 - column) & 1 else _dark for column in range(_glyph_columns - 1))
    return b"".join(_level_run(level, scale) for level in (*pixels, _dark))


def _block_level(luma: memoryview, stride: int, width: int, height: int, row: int, column: int) -> float:
    """The mean of nine points around the middle of a block, far from its edges, where codecs blur."""
    across = [width * (column * 6 + part) // (_blocks_per_row * 6) for part in (2, 3, 4)]
    down = [height * ((6 + row) * 6 + part) // (8 * 6) for part in (2, 3, 4)]
    return sum(luma[y * stride + x] for y in down for x in across) / 9


def _crc8(counter: int) -> int:
    """CRC-8 (polynomial 7) of the three bytes, begun with ones: an all black picture does not check."""
    check = 0xFF
    for byte in counter.to_bytes(3, "big"):
        check ^= byte
        for _ in range(8):
            check = (check << 1 ^ 0x07) & 0xFF if check & 0x80 else check << 1
    return check


def _tone_frames() -> list[bytes]:
    """Five frames hold 44 whole periods: they follow each other without a step."""
    step = 2 * math.pi * _tone_hz / _audio_clock_rate
    wave = array("h", (round(_tone_amplitude * math.sin(step * i)) for i in range(5 * _samples_per_frame)))
    return [wave[i : i + _samples_per_frame].tobytes() for i in range(0, len(wave), _samples_per_frame)]
