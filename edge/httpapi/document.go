package httpapi

import (
	_ "embed"
	"fmt"
	"net/http"

	"sigs.k8s.io/yaml"

	"argosy/core/access"
)

// openAPI describes this API, in YAML for those who write it.
//
//go:embed openapi.yaml
var openAPI []byte

// document answers the description of this API, see spec.openapis.org.
func (a *API) document(w http.ResponseWriter, r *http.Request, _ access.Caller) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	text, err := yaml.YAMLToJSON(openAPI)
	if err != nil {
		return fmt.Errorf("read the description of the API: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = newStream(w).Write(text) // a client that went away needs no answer
	return nil
}
