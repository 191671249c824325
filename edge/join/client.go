package join

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"argosy/core/access"
)

// answerBytes is more than the longest answer takes: a member's.
const answerBytes = 1 << 20

const (
	// again is how long a client waits before it asks again: there was no room, or
	// the store was busy, as it is for seconds after another member has joined.
	again = time.Second
	// persistence is for how long it asks again.
	persistence = time.Minute
)

// Ask asks the member at HOST:PORT for certificates with a token. An error that
// wraps access.ErrRefused is the cluster's last word.
func Ask(ctx context.Context, at string, secrets *tls.Config, wish access.Wish) (access.Answer, error) {
	answer, err := post(ctx, at, joinPath, secrets, wish)
	if err != nil {
		return answer, fmt.Errorf("ask %s for certificates: %w", at, err)
	}
	return answer, nil
}

// Renew asks the member at HOST:PORT for a certificate in place of another one.
func Renew(ctx context.Context, at string, secrets *tls.Config, renewal access.Renewal) (access.Answer, error) {
	answer, err := post(ctx, at, renewPath, secrets, renewal)
	if err != nil {
		return answer, fmt.Errorf("ask %s for a certificate in place of one that ends: %w", at, err)
	}
	return answer, nil
}

// post asks until there is an answer that asking again would not change.
func post(ctx context.Context, at, path string, secrets *tls.Config, body any) (access.Answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return access.Answer{}, err
	}
	giveUp := time.Now().Add(persistence)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: secrets, DisableKeepAlives: true}, Timeout: workTime + 2*patience}
	for {
		answer, busy, err := postOnce(ctx, client, "https://"+at+path, text)
		if !busy || time.Now().After(giveUp) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, errors.Join(err, ctx.Err())
		case <-time.After(again):
		}
	}
}

func postOnce(ctx context.Context, client *http.Client, url string, body []byte) (answer access.Answer, busy bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer, false, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return answer, false, plain(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return answer, false, err
	}
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, &answer); err != nil {
			return answer, false, fmt.Errorf("read the answer: %w", err)
		}
		return answer, false, nil
	}
	var why fault
	if err := json.Unmarshal(text, &why); err != nil || why.Error == "" {
		why.Error = fmt.Sprintf("%s: %.200s", response.Status, text)
	}
	err = errors.New(why.Error)
	busy = response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable
	if !busy {
		err = &refusal{why.Error}
	}
	return answer, busy, err
}

// refusal is access.ErrRefused in the cluster's own words.
type refusal struct{ words string }

func (r *refusal) Error() string   { return r.words }
func (r *refusal) Is(e error) bool { return e == access.ErrRefused }

// plain is an error of net/http without the URL, which the caller has said.
func plain(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
