// The JSON types of the flows, from which Genkit infers the schemas that it shows.
//
// Defaults are declared for discovery and applied here, since Genkit's Go server applies none itself.
// Schemas are written by hand only where a Go type cannot say what the JSON is.
package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/firebase/genkit/go/core"
	"github.com/invopop/jsonschema"
)

type menuRequest struct {
	Theme string `json:"theme"`
	Count *int   `json:"count,omitempty" jsonschema:"default=3"`
	Run   string `json:"run,omitempty"`
}

func (m menuRequest) count() int {
	if m.Count == nil {
		return 3
	}
	return *m.Count
}

type menuItem struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
}

type menu struct {
	Theme string   `json:"theme"`
	Names []string `json:"names"`
	Total int      `json:"total"`
}

type boomRequest struct {
	N      int    `json:"n"`
	Status string `json:"status,omitempty" jsonschema:"default=FAILED_PRECONDITION"`
}

// status names INTERNAL by Genkit's constant: older releases spell it differently on the wire.
func (b boomRequest) status() core.StatusName {
	switch b.Status {
	case "":
		return core.FAILED_PRECONDITION
	case "INTERNAL":
		return core.INTERNAL
	default:
		return core.StatusName(b.Status)
	}
}

type crashRequest struct {
	N int `json:"n"`
}

type slowRequest struct {
	Run string `json:"run"`
	N   int    `json:"n"`
}

type bigRequest struct {
	Size int `json:"size"`
}

type node struct {
	Name     string `json:"name"`
	Children []node `json:"children"`
}

func (n node) visit(see func(node) error) error {
	if err := see(n); err != nil {
		return err
	}
	for _, child := range n.Children {
		if err := child.visit(see); err != nil {
			return err
		}
	}
	return nil
}

func (n node) upperCased() node {
	children := make([]node, 0, len(n.Children))
	for _, child := range n.Children {
		children = append(children, child.upperCased())
	}
	return node{Name: strings.ToUpper(n.Name), Children: children}
}

type odd struct {
	KebabName string             `json:"kebab-name"`
	Class     int                `json:"class"`
	WithSpace bool               `json:"with space"`
	Mood      string             `json:"mood" jsonschema:"enum=happy,enum=sad"`
	Shape     shape              `json:"shape"`
	Pair      pair               `json:"pair"`
	Scores    map[string]float64 `json:"scores"`
	Maybe     *string            `json:"maybe" jsonschema:"nullable"`
	When      string             `json:"when" jsonschema:"format=date-time"`
}

// JSONSchemaExtend makes `maybe` optional: Genkit drops every null of an input before it validates it, so a
// required field could never be null.
func (odd) JSONSchemaExtend(schema *jsonschema.Schema) {
	schema.Required = slices.DeleteFunc(schema.Required, func(name string) bool { return name == "maybe" })
}

// shape is one Go struct for both kinds: Go has no sum types.
type shape struct {
	Kind   string   `json:"kind"`
	Radius *float64 `json:"radius,omitempty"`
	Side   *float64 `json:"side,omitempty"`
}

func (shape) JSONSchema() *jsonschema.Schema {
	kinds := []*jsonschema.Schema{kindWith("circle", "radius"), kindWith("square", "side")}
	return &jsonschema.Schema{OneOf: kinds}
}

func kindWith(kind, measure string) *jsonschema.Schema {
	properties := jsonschema.NewProperties()
	properties.Set("kind", &jsonschema.Schema{Const: kind})
	properties.Set(measure, &jsonschema.Schema{Type: "number"})
	return &jsonschema.Schema{Type: "object", Properties: properties, Required: []string{"kind", measure}}
}

// pair is a JSON array of a string and an integer: Go has no tuples.
type pair struct {
	text   string
	number int
}

func (pair) JSONSchema() *jsonschema.Schema {
	two := uint64(2)
	items := []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}}
	return &jsonschema.Schema{Type: "array", PrefixItems: items, MinItems: &two, MaxItems: &two}
}

func (p pair) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{p.text, p.number})
}

func (p *pair) UnmarshalJSON(data []byte) error {
	parts := []any{&p.text, &p.number}
	if err := json.Unmarshal(data, &parts); err != nil {
		return fmt.Errorf("pair: %w", err)
	}
	return nil
}
