CREATE TABLE "alarms" (
	"position" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "alarms_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"id" text NOT NULL,
	"fingerprint" text NOT NULL,
	"open" text,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"severity" text NOT NULL,
	"node_id" text,
	"node_name" text,
	"source" text,
	"uuid" text,
	"since" text NOT NULL,
	"fired_at" text,
	"resolved_at" text,
	"body" text NOT NULL,
	"revision" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "conductors" (
	"id" text PRIMARY KEY NOT NULL,
	"session" text NOT NULL,
	"renewals" bigint NOT NULL,
	"ttl_ms" bigint NOT NULL,
	"leaving" boolean NOT NULL,
	"name" text NOT NULL,
	"endpoint" text,
	"version" text NOT NULL,
	"started_at" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "deliveries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"target" text NOT NULL,
	"alarm" text NOT NULL,
	"event" text NOT NULL,
	"attempts" bigint NOT NULL,
	"error" text,
	"claimed_by" text,
	"created_at" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "requests" (
	"id" text PRIMARY KEY NOT NULL,
	"owner" text NOT NULL,
	"asker" text NOT NULL,
	"node_id" text NOT NULL,
	"kind" text NOT NULL,
	"request" text NOT NULL,
	"response" text,
	"created_at" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "windows" (
	"id" text PRIMARY KEY NOT NULL,
	"starts_at" text NOT NULL,
	"ends_at" text NOT NULL,
	"matcher" text NOT NULL,
	"comment" text,
	"created_by" text NOT NULL,
	"created_at" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "hardware" ADD COLUMN "trouble" text;--> statement-breakpoint
ALTER TABLE "nodes" ADD COLUMN "owner" text;--> statement-breakpoint
ALTER TABLE "nodes" ADD COLUMN "renewals" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "operations" ADD COLUMN "owner" text;--> statement-breakpoint
ALTER TABLE "operations" ADD COLUMN "request" text;--> statement-breakpoint
CREATE UNIQUE INDEX "alarms_id" ON "alarms" USING btree ("id");--> statement-breakpoint
CREATE UNIQUE INDEX "alarms_open" ON "alarms" USING btree ("open");--> statement-breakpoint
CREATE INDEX "alarms_state" ON "alarms" USING btree ("state","position");--> statement-breakpoint
CREATE INDEX "deliveries_target" ON "deliveries" USING btree ("target","id");--> statement-breakpoint
CREATE INDEX "requests_owner" ON "requests" USING btree ("owner","id");--> statement-breakpoint
CREATE INDEX "requests_asker" ON "requests" USING btree ("asker","id");--> statement-breakpoint
CREATE INDEX "hardware_trouble" ON "hardware" USING btree ("trouble","id") WHERE trouble IS NOT NULL;--> statement-breakpoint
CREATE INDEX "nodes_owner" ON "nodes" USING btree ("owner","id");