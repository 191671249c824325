// vulcand 0.9.0 and its vctl, built as they are.
module argosy/test/v2cluster/testdata/programs/vulcand

go 1.26.8

require github.com/vulcand/vulcand v0.9.0
