module argosy/test/v2cluster/programs/go-etcd

go 1.26.8

require github.com/coreos/go-etcd v2.0.0+incompatible
