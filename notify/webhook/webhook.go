// Package webhook delivers notices to an address of the host's by HTTP, signed as Standard Webhooks
// (https://www.standardwebhooks.com) asks for: libraries in most languages check such a signature.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/notify"
)

// Secret is what sender and receiver share.
type Secret struct{ hidden }

type hidden = redact.Value[[]byte]

const prefix = "whsec_"

// ParseSecret reads a secret of 24 to 64 random bytes in base64, which may begin with "whsec_".
func ParseSecret(text string) (Secret, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, prefix))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return Secret{}, fmt.Errorf("%w: a secret of a webhook is 24 to 64 bytes in base64", gatehouse.ErrInvalid)
	}
	return Secret{redact.New(key)}, nil
}

// Config says where notices are sent.
type Config struct {
	// URL gets a POST for each notice: https, or http for loopback alone. Redirects are not followed.
	URL string
	// Secrets sign, each by itself: the receiver needs one of them, so that it can be replaced. There is no default.
	Secrets []Secret
	// Client sends. Defaults to one of the package.
	Client *http.Client
	// Now is for tests. Defaults to time.Now.
	Now func() time.Time
}

// maxAnswer is how many bytes of an answer are read, so that the connection can be used again.
const maxAnswer = 4 << 10

// New returns a Sink. A status of 2xx says that the notice was taken; anything else is tried again, with the same
// webhook-id. It is gatehouse.ErrInvalid if the Config lacks something.
func New(c Config) (notify.Sink, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("%w: the URL of a webhook is https, or http for loopback", gatehouse.ErrInvalid)
	}
	if len(c.Secrets) == 0 {
		return nil, fmt.Errorf("%w: no secret of a webhook", gatehouse.ErrInvalid)
	}
	for _, s := range c.Secrets {
		if s.IsZero() {
			return nil, fmt.Errorf("%w: the zero secret of a webhook", gatehouse.ErrInvalid)
		}
	}
	client := http.Client{}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.Now == nil {
		c.Now = time.Now
	}
	return &sink{Config: c, client: client}, nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

type sink struct {
	Config
	client http.Client
}

// Deliver implements notify.Sink.
func (s *sink) Deliver(ctx context.Context, n event.Notice) error {
	body, err := json.Marshal(payloadOf(n))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	at := s.Now()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", n.ID)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Webhook-Signature", signatures(s.Secrets, n.ID, at, body))
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the webhook has answered %d", answer.StatusCode)
	}
	return nil
}

// signatures returns the header of that name: one for each secret, by spaces.
func signatures(secrets []Secret, id string, at time.Time, body []byte) string {
	var all []string
	for _, s := range secrets {
		mac := hmac.New(sha256.New, redact.Open(s.hidden))
		_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		_, _ = mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// payload is what is sent. Fields that do not go with the kind are left out.
type payload struct {
	Type      event.Kind `json:"type"`
	Timestamp time.Time  `json:"timestamp"`
	Data      data       `json:"data"`
}

type data struct {
	Account         string       `json:"account"`
	Method          event.Method `json:"method,omitempty"`
	AuthenticatorID string       `json:"authenticator_id,omitempty"`
	Authenticator   string       `json:"authenticator,omitempty"`
	TokenID         string       `json:"token_id,omitempty"`
	Token           string       `json:"token,omitempty"`
	ServiceAccount  string       `json:"service_account,omitempty"`
	Address         string       `json:"address,omitempty"`
	Agent           event.Agent  `json:"agent,omitempty"`
	Operator        string       `json:"operator,omitempty"`
	Reason          string       `json:"reason,omitempty"`
	CodesLeft       *int         `json:"codes_left,omitempty"`
	Count           int          `json:"count"`
	First           *time.Time   `json:"first,omitempty"`
	Entry           int64        `json:"entry,omitempty"` // of the account's activity
}

func payloadOf(n event.Notice) payload {
	d := data{
		Account: n.AccountID, Method: n.Method, AuthenticatorID: n.AuthenticatorID, Authenticator: n.AuthenticatorName, TokenID: n.TokenID,
		Token: n.TokenName, ServiceAccount: n.ServiceAccountID, Address: n.Address, Agent: n.Agent, Operator: n.OperatorID, Reason: n.Reason,
		Count: max(n.Count, 1), Entry: n.Number,
	}
	if n.Kind == event.RecoveryCodeUsed || n.Kind == event.RecoveryCodesLow {
		d.CodesLeft = &n.CodesLeft
	}
	if !n.First.IsZero() {
		first := n.First.UTC()
		d.First = &first
	}
	return payload{n.Kind, n.At.UTC(), d}
}
