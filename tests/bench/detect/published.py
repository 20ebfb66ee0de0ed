"""Short series that others have published with what happened, in the public domain."""

# Annual flow of the Nile at Aswan, 1871 to 1970, 10^8 m^3. Cobb, "The problem of the Nile: conditional solution to a
# changepoint problem", Biometrika 1978; the flow fell in 1899, value 28, when the first dam was begun.
# fmt: off
NILE = [
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
]
# fmt: on
NILE_FELL = 28

# British coal-mining disasters with 10 or more dead, by year from 1851 to 1961. Jarrett, "A note on the intervals
# between coal-mining disasters", Biometrika 1979; safety changed about 1887 to 1895, values 36 to 44 (Raftery and
# Akman, Biometrika 1986).
COAL = [
    int(digit)
    for digit in "4541043406334026335453144155342522342132211113001011003103220111010100021"
    "00011023311211112420014000100000100101"
]
COAL_FELL = (36, 44)
