"""Makes a builder one that pykickstart is not installed on."""

import sys

sys.modules["pykickstart"] = None
