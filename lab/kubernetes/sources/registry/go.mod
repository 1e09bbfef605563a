// The pinned sources of an OCI registry that keeps what it gets in memory.
module cachemon.dev/lab/registry

go 1.25.0

tool github.com/google/go-containerregistry/cmd/registry

require github.com/google/go-containerregistry v0.22.1 // indirect
