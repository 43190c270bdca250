"""Every bound of a node, in one place, each with its unit in the name and its reason beside it.

Full means: drop, count, go on. Modules are named after the package that uses them.
"""

from foundation.limits.dht import *
from foundation.limits.http import *
from foundation.limits.media import *
from foundation.limits.swarm import *
