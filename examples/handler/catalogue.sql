CREATE TABLE products (
	id    INTEGER PRIMARY KEY,
	name  TEXT    NOT NULL,
	about TEXT    NOT NULL,
	cents INTEGER NOT NULL -- the list price
);

INSERT INTO products VALUES
	(1, 'Hand grinder', 'Forty clicks from Turkish to French press. Steel burrs, and a handle that folds away.', 9900),
	(2, 'Pour-over stand', 'Oak and brass. Takes every cone there is, and stays where it is.', 3900),
	(3, 'Espresso machine', 'Nine bars, two boilers, one switch. (Its reviews are always late.)', 69900),
	(4, 'Cold brew jug', 'A litre, overnight. The sieve goes into the dishwasher.', 3200),
	(5, 'Filter papers <size 02>', 'A hundred of them, unbleached, for cones of size 02 & the like.', 790),
	(6, 'Pocket scale', 'Weighs to a tenth of a gram, and keeps the time.', 5500),
	(7, 'Gooseneck kettle', 'Boils a litre in four minutes, holds it at the degree you set, and pours it as slowly as you like.', 5900),
	(8, 'Travel mug', 'Steel, with a lid that doesn''t leak and can be taken apart.', 2600);
