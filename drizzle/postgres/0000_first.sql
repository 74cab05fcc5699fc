CREATE TABLE "changes" (
	"revision" bigint PRIMARY KEY NOT NULL,
	"time" text NOT NULL,
	"kind" text NOT NULL,
	"node_id" text NOT NULL,
	"node_name" text NOT NULL,
	"source" text,
	"uuid" text,
	"state" text,
	"body" text
);
--> statement-breakpoint
CREATE TABLE "hardware" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "hardware_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"node_id" text NOT NULL,
	"source" text NOT NULL,
	"uuid" text NOT NULL,
	"device_type" text NOT NULL,
	"vendor_id" text,
	"device_id" text,
	"ready" boolean NOT NULL,
	"freshness" text NOT NULL,
	"path" text,
	"revision" bigint NOT NULL,
	"body" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "meta" (
	"key" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"state" text NOT NULL,
	"labels" text NOT NULL,
	"endpoint" text,
	"last_seen" text,
	"api" text,
	"generation" text,
	"boot_id" text,
	"first_seen" text NOT NULL,
	"revision" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "operations" (
	"uuid" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"status" text NOT NULL,
	"started_at" text NOT NULL,
	"finished_at" text,
	"children" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sources" (
	"node_id" text NOT NULL,
	"name" text NOT NULL,
	"type" text,
	"endpoint" text,
	"status" text NOT NULL,
	"observed_at" text,
	"count" bigint NOT NULL,
	"error_code" text,
	"error_message" text,
	CONSTRAINT "sources_pk" PRIMARY KEY("node_id","name")
);
--> statement-breakpoint
ALTER TABLE "hardware" ADD CONSTRAINT "hardware_node_id_nodes_id_fk" FOREIGN KEY ("node_id") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sources" ADD CONSTRAINT "sources_node_id_nodes_id_fk" FOREIGN KEY ("node_id") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "hardware_key" ON "hardware" USING btree ("node_id","source","uuid");--> statement-breakpoint
CREATE INDEX "hardware_uuid" ON "hardware" USING btree ("uuid");--> statement-breakpoint
CREATE INDEX "hardware_device_type" ON "hardware" USING btree ("device_type","id");--> statement-breakpoint
CREATE INDEX "hardware_vendor_id" ON "hardware" USING btree ("vendor_id","id");--> statement-breakpoint
CREATE INDEX "hardware_ready" ON "hardware" USING btree ("ready","id");--> statement-breakpoint
CREATE INDEX "hardware_freshness" ON "hardware" USING btree ("freshness","id");--> statement-breakpoint
CREATE INDEX "nodes_name" ON "nodes" USING btree ("name");--> statement-breakpoint
CREATE INDEX "nodes_state" ON "nodes" USING btree ("state","id");--> statement-breakpoint
CREATE INDEX "operations_started_at" ON "operations" USING btree ("started_at");--> statement-breakpoint
CREATE INDEX "sources_status" ON "sources" USING btree ("status","node_id");