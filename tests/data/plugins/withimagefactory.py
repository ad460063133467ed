"""Has a builder find the stand-ins of ImageFactory and oz."""

import sys

from kojid.sandbox import factory

sys.path.append(str(factory.LIBRARY))
