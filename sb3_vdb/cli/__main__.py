"""``python -m sb3_vdb.cli`` is ``sb3-vdb``."""

from sb3_vdb.cli import main

main()
