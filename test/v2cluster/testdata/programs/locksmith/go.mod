module argosy/test/v2cluster/testdata/programs/locksmith

go 1.26.8

require (
	github.com/coreos/etcd v3.3.27+incompatible
	github.com/coreos/locksmith v0.6.2
)

require (
	github.com/coreos/go-semver v0.3.1 // indirect
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/modern-go/concurrent v0.0.0-20180228061459-e0a39a4cb421 // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	golang.org/x/net v0.62.0 // indirect
)
