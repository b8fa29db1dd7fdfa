package securitypage

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/local"
)

// policy returns the Content-Security-Policy: nothing that is not this service's, no script or style in a page. Pictures
// may be of the hosts of these links, and forms may lead, also by a redirect, to the hosts of these links and to origins.
func policy(pictures, forms, origins []string) (string, error) {
	images, targets := sources(pictures), sources(forms)
	for _, origin := range origins {
		if !isOrigin(origin) {
			return "", fmt.Errorf("%w: an origin of FormTargets is like https://app.example", gatehouse.ErrInvalid)
		}
		targets += " " + origin
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; img-src " + images + "; " +
		"form-action " + targets + "; base-uri 'none'; frame-ancestors 'none'", nil
}

// sources returns this service and the hosts of links.
func sources(links []string) string {
	list := []string{"'self'"}
	for _, link := range links {
		if u, err := url.Parse(link); err == nil && u.Scheme == "https" && !slices.Contains(list, "https://"+u.Host) {
			list = append(list, "https://"+u.Host)
		}
	}
	return strings.Join(list, " ")
}

// isOrigin reports whether a text is one origin and nothing more: no wildcard, no path, no second source.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || s != u.Scheme+"://"+u.Host || u.Hostname() == "" || strings.ContainsAny(u.Host, " ;,'\"*") {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// isLink reports whether a link is a path or an https URL.
func isLink(link string) bool {
	u, err := url.Parse(link)
	return local.Is(link) || err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsAny(u.Host, " ;,'\"*")
}
