"""Definitions of the standard ROS 2 types that we read and write: recordings from before 2023 carry none.

Source: https://github.com/ros2/common_interfaces
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from drivetrain.data.sources.ros2msg import Definition, parse, short_name

_NUMBERS = ("Bool", "Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float32", "Float64")
_XYZ = "float64 x\nfloat64 y\nfloat64 z"
_STAMPED = "std_msgs/Header header\n"
_TYPES: Mapping[str, str] = {
    **{f"std_msgs/{name}": f"{name.lower()} data" for name in _NUMBERS},
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "std_msgs/String": "string data",
    "std_msgs/MultiArrayDimension": "string label\nuint32 size\nuint32 stride",
    "std_msgs/MultiArrayLayout": "std_msgs/MultiArrayDimension[] dim\nuint32 data_offset",
    "std_msgs/UInt8MultiArray": "std_msgs/MultiArrayLayout layout\nuint8[] data",
    "geometry_msgs/Vector3": _XYZ,
    "geometry_msgs/Point": _XYZ,
    "geometry_msgs/Quaternion": f"{_XYZ}\nfloat64 w",
    "geometry_msgs/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation",
    "geometry_msgs/PoseStamped": f"{_STAMPED}geometry_msgs/Pose pose",
    "geometry_msgs/PoseWithCovariance": "geometry_msgs/Pose pose\nfloat64[36] covariance",
    "geometry_msgs/PoseWithCovarianceStamped": f"{_STAMPED}geometry_msgs/PoseWithCovariance pose",
    "geometry_msgs/Twist": "geometry_msgs/Vector3 linear\ngeometry_msgs/Vector3 angular",
    "geometry_msgs/TwistStamped": f"{_STAMPED}geometry_msgs/Twist twist",
    "geometry_msgs/TwistWithCovariance": "geometry_msgs/Twist twist\nfloat64[36] covariance",
    "geometry_msgs/TwistWithCovarianceStamped": f"{_STAMPED}geometry_msgs/TwistWithCovariance twist",
    "geometry_msgs/Transform": "geometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation",
    "geometry_msgs/TransformStamped": f"{_STAMPED}string child_frame_id\ngeometry_msgs/Transform transform",
    "tf2_msgs/TFMessage": "geometry_msgs/TransformStamped[] transforms",
    "nav_msgs/Odometry": f"{_STAMPED}string child_frame_id\n"
    "geometry_msgs/PoseWithCovariance pose\ngeometry_msgs/TwistWithCovariance twist",
    "sensor_msgs/Imu": f"{_STAMPED}geometry_msgs/Quaternion orientation\nfloat64[9] orientation_covariance\n"
    "geometry_msgs/Vector3 angular_velocity\nfloat64[9] angular_velocity_covariance\n"
    "geometry_msgs/Vector3 linear_acceleration\nfloat64[9] linear_acceleration_covariance",
    "sensor_msgs/NavSatStatus": "int8 status\nuint16 service",
    "sensor_msgs/NavSatFix": f"{_STAMPED}sensor_msgs/NavSatStatus status\n"
    "float64 latitude\nfloat64 longitude\nfloat64 altitude\n"
    "float64[9] position_covariance\nuint8 position_covariance_type",
    "sensor_msgs/CompressedImage": f"{_STAMPED}string format\nuint8[] data",
    "sensor_msgs/Image": f"{_STAMPED}uint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\n"
    "uint8[] data",
    "sensor_msgs/RegionOfInterest": "uint32 x_offset\nuint32 y_offset\nuint32 height\nuint32 width\nbool do_rectify",
    "sensor_msgs/CameraInfo": f"{_STAMPED}uint32 height\nuint32 width\nstring distortion_model\nfloat64[] d\n"
    "float64[9] k\nfloat64[9] r\nfloat64[12] p\nuint32 binning_x\nuint32 binning_y\nsensor_msgs/RegionOfInterest roi",
    "sensor_msgs/PointField": "string name\nuint32 offset\nuint8 datatype\nuint32 count",
    "sensor_msgs/PointCloud2": f"{_STAMPED}uint32 height\nuint32 width\nsensor_msgs/PointField[] fields\n"
    "bool is_bigendian\nuint32 point_step\nuint32 row_step\nuint8[] data\nbool is_dense",
}
_RULE = "=" * 80


def definition_text(schema: str) -> str:
    """The definition of a standard type and of all in it, as recorders write it; empty where it is none of ours."""
    name = short_name(schema)
    if name not in _TYPES:
        return ""
    parts, wanted = {name: _TYPES[name]}, [name]
    while wanted:
        inside = [line.split()[0].removesuffix("[]") for line in _TYPES[wanted.pop()].splitlines()]
        new = [kind for kind in inside if kind in _TYPES and kind not in parts]
        parts |= {kind: _TYPES[kind] for kind in new}
        wanted += new
    texts = [text if kind == name else f"MSG: {kind}\n{text}" for kind, text in parts.items()]
    return f"\n{_RULE}\n".join(texts) + "\n"


@cache
def definition_of(schema: str) -> Definition:
    """A standard type, known by its schema's name."""
    return parse(schema, definition_text(schema))
