package main

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"

	_ "modernc.org/sqlite"
)

// A product is a row of the catalogue.
type product struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	About string `json:"about"`
	List  cents  `json:"-"` // the list price
}

// A catalogue is the database of products.
type catalogue struct{ *sql.DB }

//go:embed catalogue.sql
var catalogueSQL string

// newCatalogue creates the catalogue in a file. (In memory, each connection to
// SQLite would have a database of its own.)
func newCatalogue(file string) (catalogue, error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return catalogue{}, err
	}
	db.SetMaxOpenConns(4) // queries are quick, opening a connection is not
	db.SetMaxIdleConns(4)
	if _, err := db.Exec(catalogueSQL); err != nil {
		db.Close()
		return catalogue{}, fmt.Errorf("the catalogue: %w", err)
	}
	return catalogue{db}, nil
}

// product returns sql.ErrNoRows if there is no such product.
func (c catalogue) product(ctx context.Context, id int) (p product, err error) {
	row := c.QueryRowContext(ctx, "SELECT id, name, about, cents FROM products WHERE id = ?", id)
	return p, row.Scan(&p.ID, &p.Name, &p.About, &p.List)
}

func (c catalogue) products(ctx context.Context) (all []product, err error) {
	rows, err := c.QueryContext(ctx, "SELECT id, name, about, cents FROM products ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p product
		if err := rows.Scan(&p.ID, &p.Name, &p.About, &p.List); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}
