package join

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"argosy/core/access"
)

// strict grants what may be wished for at all.
type strict struct{}

func (strict) Admit(_ context.Context, wish access.Wish, _ string) (access.Answer, error) {
	if err := wish.Check(); err != nil {
		return access.Answer{}, access.ErrRefused
	}
	_, _, err := access.ParseSecret(wish.Token)
	return access.Answer{}, err
}

func (strict) Renew(context.Context, access.Renewal, string) (access.Answer, error) {
	return access.Answer{}, access.ErrRefused
}

// Strangers say to the port what they like.
func FuzzRequests(f *testing.F) {
	for _, body := range []string{
		"", "{}", "{}{}", `{"token":"a.b","kind":"worker","name":"` + strings.Repeat("0", 32) + `","host":"a","addresses":["10.0.0.1"],"requests":{"own":"a","local":"b"}}`,
		`{"token":"a.b","kind":"person","name":"alice","requests":{"own":"a"}}`, `{"certificate":"","request":""}`, `{"addresses":["::ffff:1.2.3.4"]}`,
	} {
		f.Add(body)
	}
	room := make(chan struct{}, 1)
	f.Fuzz(func(t *testing.T, body string) {
		for _, handler := range []http.Handler{bounded(room, strict{}.Admit), bounded(room, strict{}.Renew)} {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "http://there/", strings.NewReader(body)))
			if !json.Valid(answer.Body.Bytes()) || answer.Code >= http.StatusInternalServerError {
				t.Errorf("%q: %d %s", body, answer.Code, answer.Body)
			}
			var asked access.Wish
			if answer.Code == http.StatusOK && json.Unmarshal([]byte(body), &asked) != nil {
				t.Errorf("%q was granted and is no wish", body)
			}
		}
	})
}
