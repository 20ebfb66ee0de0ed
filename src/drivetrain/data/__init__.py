"""Drive logs become batches: streams joined by time, labels projected, samples in shards, loaded in a stated order.

The life of a value, each file one idea:
  log.py         Log, Stream, Intrinsics, Pose: what a drive recorded, at native rates, read lazily
  sources/       formats -> Log (`open_log`); a drive that we generate ourselves
  export.py      a stream -> parquet, for other tools
  health/        what is wrong with a log before anything is made of it
  sync/          stamps -> pairs, poses between two, windows, tables; each with a tolerance
  sketch.py      many numbers -> a summary that merges and compares; statistics.py those of a data set, stored beside it
  project.py     labelled points -> label map; classes.py merges sources' classes into eight groups
  pipeline/      source | op | op | shards, a value: on threads, processes or a Ray cluster; ops/ its ops, a file each
  build.py       the three above -> samples, as a pipeline
  sample.py      a sample: key, parts, columns; codec.py its parts as bytes, jpeg.py the pixels
  shards.py      samples -> tar shards, fragment.py their index; versions.py a data set of them, whole or not there
  tags/          what happens in a drive: motion, manoeuvres, what is around, as columns that slices ask for
  changes.py     a version -> the next one: append, delete, add a column, name a slice; lock.py one writer at a time
  slices.py      a named predicate over columns; predicate.py runs it, with nothing else in reach
  splits.py      which samples train and which are held out; leaks.py finds those that are alike on both sides,
                 image_hash.py without a look at pixels
  diff.py        how two data sets differ; drawing.py pictures of a frame or a sample
  dataset.py     reads them back by checksum.py; manifest.py what a version is, format1.py those of the first format
  index.py       its rows, over files that mapped.py keeps out of this process's memory
  order.py       (seed, epoch, position) -> sample; share.py positions -> one rank's
  loader.py      samples -> batches; loading/ its parts, buckets and the doctor
  augment/       views changed with their geometry kept true
  forecast/      tracks -> samples whose labels are the future
  baselines.py   mean IoU, and what a guess without a model reaches; sheet.py a picture of samples
  convert.py     a log of any format -> MCAP for other tools (mcap_values.py: what each stream becomes)
  arrays.py      names for arrays, and the legend of their shapes; turning.py turns as quaternions
"""

# ruff: noqa: E402 - a missing package must be told before it is used
from drivetrain.core.extras import require

for _package in ("numpy", "pyarrow", "cv2", "simplejpeg"):
    require(_package, extra="data")

from drivetrain.data import augment, forecast
from drivetrain.data.baselines import baselines, class_shares, confusion, iou_per_class, mean_iou
from drivetrain.data.build import build_dataset, labelled_frames
from drivetrain.data.changes import add_column, append_samples, define_slice, delete_samples, split_samples
from drivetrain.data.classes import CLASSES, UNLABELLED, colour_labels
from drivetrain.data.convert import Converted, convert, num_to_convert
from drivetrain.data.dataset import DataSet
from drivetrain.data.diff import Diff, diff
from drivetrain.data.drawing import draw_frame, draw_sample
from drivetrain.data.export import export_stream
from drivetrain.data.health import HealthReport, Thresholds, check, health_table, load_thresholds
from drivetrain.data.jpeg import decode_jpeg, encode_jpeg
from drivetrain.data.leaks import find_leaks, refuse_leaks
from drivetrain.data.loader import Loader
from drivetrain.data.loading.augmenting import Augment
from drivetrain.data.loading.batches import Batch
from drivetrain.data.loading.blocks import Blocks
from drivetrain.data.loading.cache import PieceCache
from drivetrain.data.loading.decoding import ImageSize
from drivetrain.data.loading.doctor import Diagnosis, diagnose
from drivetrain.data.loading.far import open_dataset
from drivetrain.data.log import Log, Stream
from drivetrain.data.manifest import Manifest, Step, list_versions
from drivetrain.data.sample import Encoded, Sample
from drivetrain.data.sheet import contact_sheet, encode_png, log_sheet
from drivetrain.data.sketch import Sketch
from drivetrain.data.slices import Slice
from drivetrain.data.sources import open_log
from drivetrain.data.sources.faults import SensorFaults
from drivetrain.data.sources.synth import SynthSpec, synth
from drivetrain.data.splits import SplitBy, split
from drivetrain.data.sync import Match, SyncSpec, missed, sync_table
from drivetrain.data.versions import write_dataset

__all__ = [
    "CLASSES",
    "UNLABELLED",
    "Augment",
    "Batch",
    "Blocks",
    "Converted",
    "DataSet",
    "Diagnosis",
    "Diff",
    "Encoded",
    "HealthReport",
    "ImageSize",
    "Loader",
    "Log",
    "Manifest",
    "Match",
    "PieceCache",
    "Sample",
    "SensorFaults",
    "Sketch",
    "Slice",
    "SplitBy",
    "Step",
    "Stream",
    "SyncSpec",
    "SynthSpec",
    "Thresholds",
    "add_column",
    "append_samples",
    "augment",
    "baselines",
    "build_dataset",
    "check",
    "class_shares",
    "colour_labels",
    "confusion",
    "contact_sheet",
    "convert",
    "decode_jpeg",
    "define_slice",
    "delete_samples",
    "diagnose",
    "diff",
    "draw_frame",
    "draw_sample",
    "encode_jpeg",
    "encode_png",
    "export_stream",
    "find_leaks",
    "forecast",
    "health_table",
    "iou_per_class",
    "labelled_frames",
    "list_versions",
    "load_thresholds",
    "log_sheet",
    "mean_iou",
    "missed",
    "num_to_convert",
    "open_dataset",
    "open_log",
    "refuse_leaks",
    "split",
    "split_samples",
    "sync_table",
    "synth",
    "write_dataset",
]
