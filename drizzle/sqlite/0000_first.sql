CREATE TABLE `changes` (
	`revision` integer PRIMARY KEY NOT NULL,
	`time` text NOT NULL,
	`kind` text NOT NULL,
	`node_id` text NOT NULL,
	`node_name` text NOT NULL,
	`source` text,
	`uuid` text,
	`state` text,
	`body` text
);
--> statement-breakpoint
CREATE TABLE `hardware` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`node_id` text NOT NULL,
	`source` text NOT NULL,
	`uuid` text NOT NULL,
	`device_type` text NOT NULL,
	`vendor_id` text,
	`device_id` text,
	`ready` integer NOT NULL,
	`freshness` text NOT NULL,
	`path` text,
	`revision` integer NOT NULL,
	`body` text NOT NULL,
	FOREIGN KEY (`node_id`) REFERENCES `nodes`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `hardware_key` ON `hardware` (`node_id`,`source`,`uuid`);--> statement-breakpoint
CREATE INDEX `hardware_uuid` ON `hardware` (`uuid`);--> statement-breakpoint
CREATE INDEX `hardware_device_type` ON `hardware` (`device_type`,`id`);--> statement-breakpoint
CREATE INDEX `hardware_vendor_id` ON `hardware` (`vendor_id`,`id`);--> statement-breakpoint
CREATE INDEX `hardware_ready` ON `hardware` (`ready`,`id`);--> statement-breakpoint
CREATE INDEX `hardware_freshness` ON `hardware` (`freshness`,`id`);--> statement-breakpoint
CREATE TABLE `meta` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `nodes` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`state` text NOT NULL,
	`labels` text NOT NULL,
	`endpoint` text,
	`last_seen` text,
	`api` text,
	`generation` text,
	`boot_id` text,
	`first_seen` text NOT NULL,
	`revision` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `nodes_name` ON `nodes` (`name`);--> statement-breakpoint
CREATE INDEX `nodes_state` ON `nodes` (`state`,`id`);--> statement-breakpoint
CREATE TABLE `operations` (
	`uuid` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`status` text NOT NULL,
	`started_at` text NOT NULL,
	`finished_at` text,
	`children` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `operations_started_at` ON `operations` (`started_at`);--> statement-breakpoint
CREATE TABLE `sources` (
	`node_id` text NOT NULL,
	`name` text NOT NULL,
	`type` text,
	`endpoint` text,
	`status` text NOT NULL,
	`observed_at` text,
	`count` integer NOT NULL,
	`error_code` text,
	`error_message` text,
	PRIMARY KEY(`node_id`, `name`),
	FOREIGN KEY (`node_id`) REFERENCES `nodes`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `sources_status` ON `sources` (`status`,`node_id`);