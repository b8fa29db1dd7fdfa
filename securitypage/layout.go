package securitypage

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
)

// Content is what Config.Layout makes a page of.
type Content struct {
	// Title says what the page is, without the service's name: "Security". It belongs into the title element.
	Title string

	// Lang and Dir are those of the texts, for the attributes of the html element: "en" and "ltr".
	Lang, Dir string

	// SignedIn reports whether the owner is signed in completely. Otherwise a shell has no account menu to show.
	SignedIn bool

	// Head belongs into the head element: style sheets, the script, the icon.
	Head template.HTML

	// Body belongs into the body element, as it is: one main element with the ID "main", for the shell's link that skips to
	// the content.
	Body template.HTML
}

// fill gives a layout the head and the body of a page, and returns the whole page.
func (c Content) fill(layout func(io.Writer, *http.Request, Content) error, r *http.Request, page *template.Template, v any) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panics: %v", p)
		}
	}()
	var head, body, whole bytes.Buffer
	if err := errors.Join(page.ExecuteTemplate(&head, "head", v), page.ExecuteTemplate(&body, "body", v)); err != nil {
		return nil, err
	}
	c.Head, c.Body = template.HTML(head.String()), template.HTML(body.String())
	if err := layout(&whole, r, c); err != nil {
		return nil, err
	}
	if !bytes.Contains(whole.Bytes(), head.Bytes()) || !bytes.Contains(whole.Bytes(), body.Bytes()) {
		return nil, errors.New("it leaves out the head or the body")
	}
	return whole.Bytes(), nil
}
