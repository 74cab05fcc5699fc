CREATE TABLE "given" (
	"of" text NOT NULL,
	"id" text NOT NULL,
	"name" text,
	"labels" text,
	"cordoned" text,
	"said" text,
	"revision" bigint NOT NULL,
	CONSTRAINT "given_pk" PRIMARY KEY("of","id")
);
--> statement-breakpoint
CREATE INDEX "given_revision" ON "given" USING btree ("revision");