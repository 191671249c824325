package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"argosy/core/access"
	"argosy/core/api"
)

func personPath(name string) string { return "/people/" + url.PathEscape(name) }

// People lists all who may use the cluster.
func (c *Client) People(ctx context.Context) (answer api.People, err error) {
	err = c.exchange(ctx, http.MethodGet, "/people", nil, nil, &answer)
	return answer, err
}

// SetPerson says what a person may do.
func (c *Client) SetPerson(ctx context.Context, name string, change api.PersonChange) (written api.PersonWritten, err error) {
	err = c.exchange(ctx, http.MethodPut, personPath(name), nil, change, &written)
	return written, err
}

// RemovePerson ends an account with its certificates.
func (c *Client) RemovePerson(ctx context.Context, name string) (written api.PersonWritten, err error) {
	err = c.exchange(ctx, http.MethodDelete, personPath(name), nil, nil, &written)
	return written, err
}

// RevokePerson has all certificates of a person refused.
func (c *Client) RevokePerson(ctx context.Context, name string) (written api.PersonWritten, err error) {
	err = c.exchange(ctx, http.MethodPost, personPath(name)+"/revoke", nil, nil, &written)
	return written, err
}

// Invite makes a token by which a person gets a certificate, once.
func (c *Client) Invite(ctx context.Context, name string, life time.Duration) (invitation api.Invitation, err error) {
	request := api.InvitationRequest{Seconds: int64(life / time.Second)}
	err = c.exchange(ctx, http.MethodPost, personPath(name)+"/tokens", nil, request, &invitation)
	return invitation, err
}

// Audit hands over what was done behind a revision of the store, in order, until
// there is no more, and returns the revision of the last.
func (c *Client) Audit(ctx context.Context, after int64, deliver func(access.Entry) error) (last int64, err error) {
	for {
		var page api.AuditPage
		if err := c.exchange(ctx, http.MethodGet, "/audit", url.Values{"after": {strconv.FormatInt(after, 10)}}, nil, &page); err != nil {
			return after, err
		}
		for _, e := range page.Entries {
			if err := deliver(e); err != nil {
				return after, err
			}
		}
		if after = page.Next; !page.More {
			return after, nil
		}
	}
}
