"""`python -m streamflow_client …`: the same as the console script `streamflow-client`."""

import sys

from streamflow_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
