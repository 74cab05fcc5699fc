CREATE TABLE `audit` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`time` text NOT NULL,
	`kind` text NOT NULL,
	`caller` text NOT NULL,
	`role` text NOT NULL,
	`address` text,
	`method` text NOT NULL,
	`path` text NOT NULL,
	`status` integer NOT NULL,
	`code` text,
	`count` integer NOT NULL,
	`request_id` text
);
--> statement-breakpoint
CREATE TABLE `tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`role` text NOT NULL,
	`name` text,
	`bound_to` text,
	`hash` text NOT NULL,
	`created_at` text NOT NULL,
	`expires_at` text,
	`uses_left` integer
);
--> statement-breakpoint
ALTER TABLE `nodes` ADD `key` text;--> statement-breakpoint
ALTER TABLE `nodes` ADD `conditions` text;--> statement-breakpoint
CREATE UNIQUE INDEX `nodes_key` ON `nodes` (`key`);