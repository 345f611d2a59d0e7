package state

import (
	"context"
	"iter"

	"bulkhead.dev/sdk/pluginv1"
)

// Link ties the id of something in one system to that of its counterpart in another.
type Link struct {
	// Source is the id on the side that leads.
	Source string
	// Target is the id of the counterpart.
	Target string
	// Hash is of the content last written to the target, chosen by the plugin; empty: not known. It tells whether a write
	// would change anything.
	Hash string
	// Revision is raised by each write of the link.
	Revision int64
}

// Links are the links of one kind, such as "employee-issue". A source has one target; two sources may have the same one.
type Links struct {
	client *Client
	kind   string
}

// Links returns the links of a kind. It does no call.
func (c *Client) Links(kind string) Links { return Links{client: c, kind: kind} }

// Get returns the link of source; false if there is none, or only the intent of one (see Ensure).
func (l Links) Get(ctx context.Context, source string) (Link, bool, error) {
	link, err := l.fetch(ctx, "state: get link", source)
	if err != nil || link.GetTarget() == "" {
		return Link{}, false, err
	}
	return linkOf(link), true, nil
}

// ByTarget returns a link that leads to target; false if there is none. Where several do, the host's first is returned.
func (l Links) ByTarget(ctx context.Context, target string) (Link, bool, error) {
	const op = "state: get link by target"
	if target == "" {
		return Link{}, false, invalid(op, "the target is empty")
	}
	found, err := l.client.read(ctx, op, &pluginv1.StateRead{
		What: &pluginv1.StateRead_LinkByTarget{LinkByTarget: &pluginv1.LinkTarget{Kind: l.kind, Target: target}}})
	if err != nil || found.GetLink().GetTarget() == "" {
		return Link{}, false, err
	}
	return linkOf(found.GetLink()), true, nil
}

// Put writes the link of source, whatever was there. hash is of the content that the target now has; empty: not known.
// To create the target too, use Ensure.
func (l Links) Put(ctx context.Context, source, target, hash string) error {
	const op = "state: put link"
	write, err := putLink(op, l.kind, Link{Source: source, Target: target, Hash: hash}, Condition{})
	if err != nil {
		return err
	}
	_, err = l.client.commitOne(ctx, op, write)
	return err
}

// Delete removes the link of source, or the intent of one; there need be none.
func (l Links) Delete(ctx context.Context, source string) error {
	const op = "state: delete link"
	if source == "" {
		return invalid(op, "the source is empty")
	}
	_, err := l.client.commitOne(ctx, op, deleteLink(l.kind, source, Condition{}))
	return err
}

// All goes through the links in the order of their sources, a page a call; intents are left out. Each page is a snapshot
// of its own: a link that is written meanwhile may be seen or not, each is seen once at most. An error ends it.
func (l Links) All(ctx context.Context) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		after := ""
		for {
			res, err := l.client.page(ctx, "state: scan links", &pluginv1.ScanStateRequest{
				What: &pluginv1.ScanStateRequest_LinkKind{LinkKind: l.kind}, After: after})
			if err != nil {
				yield(Link{}, err)
				return
			}
			for _, link := range res.GetLinks() {
				after = link.GetSource()
				if link.GetTarget() != "" && !yield(linkOf(link), nil) {
					return
				}
			}
			if !res.GetMore() || len(res.GetLinks()) == 0 {
				return
			}
		}
	}
}

// fetch reads the link or intent of source; nil if there is neither.
func (l Links) fetch(ctx context.Context, op, source string) (*pluginv1.Link, error) {
	if source == "" {
		return nil, invalid(op, "the source is empty")
	}
	found, err := l.client.read(ctx, op, &pluginv1.StateRead{
		What: &pluginv1.StateRead_Link{Link: &pluginv1.LinkKey{Kind: l.kind, Source: source}}})
	if err != nil {
		return nil, err
	}
	return found.GetLink(), nil
}

func linkOf(link *pluginv1.Link) Link {
	return Link{Source: link.GetSource(), Target: link.GetTarget(), Hash: link.GetHash(), Revision: link.GetRevision()}
}

// putLink is the write of a whole link.
func putLink(op, kind string, link Link, condition Condition) (*pluginv1.StateWrite, error) {
	switch {
	case kind == "":
		return nil, invalid(op, "the kind is empty")
	case link.Source == "":
		return nil, invalid(op, "the source is empty")
	case link.Target == "":
		return nil, invalid(op, "the target of %q is empty", link.Source)
	}
	return &pluginv1.StateWrite{Precondition: condition.must, What: &pluginv1.StateWrite_PutLink{PutLink: &pluginv1.Link{
		Kind: kind, Source: link.Source, Target: link.Target, Hash: link.Hash}}}, nil
}

func deleteLink(kind, source string, condition Condition) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{Precondition: condition.must,
		What: &pluginv1.StateWrite_DeleteLink{DeleteLink: &pluginv1.LinkKey{Kind: kind, Source: source}}}
}
