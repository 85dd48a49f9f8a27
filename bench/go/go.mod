module spiffe-pki/bench

go 1.21
