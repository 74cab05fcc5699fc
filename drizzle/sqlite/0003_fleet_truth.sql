CREATE TABLE `alarms` (
	`position` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`fingerprint` text NOT NULL,
	`open` text,
	`kind` text NOT NULL,
	`state` text NOT NULL,
	`severity` text NOT NULL,
	`node_id` text,
	`node_name` text,
	`source` text,
	`uuid` text,
	`since` text NOT NULL,
	`fired_at` text,
	`resolved_at` text,
	`body` text NOT NULL,
	`revision` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `alarms_id` ON `alarms` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `alarms_open` ON `alarms` (`open`);--> statement-breakpoint
CREATE INDEX `alarms_state` ON `alarms` (`state`,`position`);--> statement-breakpoint
CREATE TABLE `conductors` (
	`id` text PRIMARY KEY NOT NULL,
	`session` text NOT NULL,
	`renewals` integer NOT NULL,
	`ttl_ms` integer NOT NULL,
	`leaving` integer NOT NULL,
	`name` text NOT NULL,
	`endpoint` text,
	`version` text NOT NULL,
	`started_at` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `deliveries` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`target` text NOT NULL,
	`alarm` text NOT NULL,
	`event` text NOT NULL,
	`attempts` integer NOT NULL,
	`error` text,
	`claimed_by` text,
	`created_at` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `deliveries_target` ON `deliveries` (`target`,`id`);--> statement-breakpoint
CREATE TABLE `requests` (
	`id` text PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`asker` text NOT NULL,
	`node_id` text NOT NULL,
	`kind` text NOT NULL,
	`request` text NOT NULL,
	`response` text,
	`created_at` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `requests_owner` ON `requests` (`owner`,`id`);--> statement-breakpoint
CREATE INDEX `requests_asker` ON `requests` (`asker`,`id`);--> statement-breakpoint
CREATE TABLE `windows` (
	`id` text PRIMARY KEY NOT NULL,
	`starts_at` text NOT NULL,
	`ends_at` text NOT NULL,
	`matcher` text NOT NULL,
	`comment` text,
	`created_by` text NOT NULL,
	`created_at` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `hardware` ADD `trouble` text;--> statement-breakpoint
CREATE INDEX `hardware_trouble` ON `hardware` (`trouble`,`id`) WHERE trouble IS NOT NULL;--> statement-breakpoint
ALTER TABLE `nodes` ADD `owner` text;--> statement-breakpoint
ALTER TABLE `nodes` ADD `renewals` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `nodes_owner` ON `nodes` (`owner`,`id`);--> statement-breakpoint
ALTER TABLE `operations` ADD `owner` text;--> statement-breakpoint
ALTER TABLE `operations` ADD `request` text;