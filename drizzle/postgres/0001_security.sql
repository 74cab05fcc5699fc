CREATE TABLE "audit" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"time" text NOT NULL,
	"kind" text NOT NULL,
	"caller" text NOT NULL,
	"role" text NOT NULL,
	"address" text,
	"method" text NOT NULL,
	"path" text NOT NULL,
	"status" bigint NOT NULL,
	"code" text,
	"count" bigint NOT NULL,
	"request_id" text
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"role" text NOT NULL,
	"name" text,
	"bound_to" text,
	"hash" text NOT NULL,
	"created_at" text NOT NULL,
	"expires_at" text,
	"uses_left" bigint
);
--> statement-breakpoint
ALTER TABLE "nodes" ADD COLUMN "key" text;--> statement-breakpoint
ALTER TABLE "nodes" ADD COLUMN "conditions" text;--> statement-breakpoint
CREATE UNIQUE INDEX "nodes_key" ON "nodes" USING btree ("key");