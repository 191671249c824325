package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// auditSilence is how long the audit may say nothing: it is looked through before the
// first entry comes.
const auditSilence = time.Minute

// Audit hands over the entries that are asked for, in order, as they come.
func (c *Client) Audit(ctx context.Context, query access.AuditQuery, deliver func(access.Entry) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := time.AfterFunc(auditSilence, func() { cancel(errors.New("no answer for a minute")) })
	defer guard.Stop()
	q := url.Values{"after": {strconv.FormatInt(query.After, 10)}, "last": {strconv.Itoa(query.Last)}}
	if !query.Since.IsZero() {
		q.Set("since", query.Since.UTC().Format(time.RFC3339))
	}
	response, err := c.insist(ctx, http.MethodGet, "/audit", q, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := json.NewDecoder(response.Body)
	for last := query.After; ; {
		var e access.Entry
		err := lines.Decode(&e)
		if fault := response.Trailer.Get(api.ErrorTrailer); err != nil && fault != "" {
			err = errors.New(fault)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return fmt.Errorf("the audit broke off behind revision %d: %w", last, err)
		}
		guard.Reset(auditSilence)
		if err := deliver(e); err != nil {
			return err
		}
		last = e.Revision
	}
}
