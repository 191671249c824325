package etcdnode

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"argosy/core/keyspace"
)

// refuse answers that somebody may not do what they ask, in the form that the one
// who asks understands.
func refuse(w http.ResponseWriter, r *http.Request, why error) {
	path := r.URL.Path
	switch {
	case isCall(r):
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", strconv.Itoa(int(codes.PermissionDenied)))
		w.Header().Set("Grpc-Message", url.PathEscape(why.Error()))
		w.WriteHeader(http.StatusOK)
	case strings.HasPrefix(path, "/v2/"):
		refusal := keyspace.Error{Code: keyspace.Unauthorized, Cause: why.Error()}
		refuseJSON(w, refusal.AppendJSON(nil))
	case strings.HasPrefix(path, "/v3"):
		text, _ := json.Marshal(map[string]any{"code": codes.PermissionDenied, "message": why.Error()}) // of plain values
		refuseJSON(w, text)
	default:
		http.Error(w, why.Error(), http.StatusForbidden)
	}
}

func refuseJSON(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write(text) // who has gone is told nothing
}
