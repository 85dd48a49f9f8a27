# Lints every file named on standard input (`KIND PATH` per line) in one process, because starting pkilint
# costs more than linting a file.
import contextlib
import io
import json
import sys

from pkilint.bin import lint_crl, lint_ocsp_response, lint_pkix_cert

commands = {
    "certificate": (lint_pkix_cert.main, ["lint"]),
    "crl": (lint_crl.main, ["lint", "-t", "CRL", "-p", "PKIX"]),
    "ocsp": (lint_ocsp_response.main, ["lint"]),
}

# Prints `PATH`, a tab and pkilint's findings as JSON, one line per file.
for line in sys.stdin:
    kind, path = line.split(" ", 1)
    path = path.rstrip("\n")
    main, arguments = commands[kind]
    found = io.StringIO()
    with contextlib.redirect_stdout(found):
        main([*arguments, "-s", "NOTICE", "-f", "JSON", "--document-format", "DER", path])
    print(path, json.dumps(json.loads(found.getvalue())), sep="\t", flush=True)
