"""Parts of kernels/run: packages (what is downloaded), build (test binaries), guest (one boot), report (the table)."""
