package client

import (
	"context"
	"net/http"
	"net/url"

	"argosy/core/api"
	"argosy/core/cluster"
)

func secretPath(name cluster.SecretName) string { return "/secrets/" + url.PathEscape(string(name)) }

// Secrets lists all secrets, without their values.
func (c *Client) Secrets(ctx context.Context) (answer api.Secrets, err error) {
	err = c.exchange(ctx, http.MethodGet, "/secrets", nil, nil, &answer)
	return answer, err
}

// SetSecret makes a new version of a secret, or changes for which units it is.
func (c *Client) SetSecret(ctx context.Context, name cluster.SecretName, change api.SecretChange) (written api.SecretWritten, err error) {
	err = c.exchange(ctx, http.MethodPut, secretPath(name), nil, change, &written)
	return written, err
}

// RemoveSecret ends a secret; with force also one that units use.
func (c *Client) RemoveSecret(ctx context.Context, name cluster.SecretName, force bool) (written api.SecretWritten, err error) {
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	err = c.exchange(ctx, http.MethodDelete, secretPath(name), q, nil, &written)
	return written, err
}

// SecretFor asks, as a machine, for the value of a secret that a unit there asks for.
func (c *Client) SecretFor(ctx context.Context, unit cluster.UnitName, name cluster.SecretName) (value api.SecretValue, err error) {
	err = c.exchange(ctx, http.MethodGet, secretPath(name), url.Values{"unit": {string(unit)}}, nil, &value)
	return value, err
}

// Keys asks, as a member, which keys for secrets a member has, and for the one of this
// id where it is not empty.
func (c *Client) Keys(ctx context.Context, id string) (answer api.Keys, err error) {
	q := url.Values{}
	if id != "" {
		q.Set("id", id)
	}
	err = c.exchange(ctx, http.MethodGet, "/keys", q, nil, &answer)
	return answer, err
}
