module argosy/test/v2cluster/testdata/programs/go-etcd

go 1.26.8

require github.com/coreos/go-etcd v2.0.0+incompatible
