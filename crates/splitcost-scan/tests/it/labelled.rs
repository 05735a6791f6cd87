//! The labelled suite: small programs, each with the exact list of findings that all rules together report in it. Each
//! program is a test of its own.
//!
//! A file under `cases/` holds many cases. A case begins with `# case: NAME`, and each further file of its program with
//! `# file: PATH`; the first file is `app.py`. Two kinds of lines state the findings, in the scanner's order, with the
//! call path of each: `#> CODE file:line function > function > callee` is a right finding, and `#! CODE …` is a wrong
//! one, a known defect of its rule. Anything else that a scan reports, and anything of these that it does not report,
//! fails the test of the case.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use splitcost_model::finding::{Finding, Scan};
use splitcost_scan::{Options, scan};

/// A labelled program.
struct Case {
    name: String,
    /// The name of its test: the name in lower case, with underscores between the words.
    test: String,
    files: Vec<(String, String)>,
    expected: Vec<String>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases")
}

/// Returns the cases of a file.
fn cases(file: &str) -> Vec<Case> {
    let text = fs::read_to_string(directory().join(file).with_extension("py")).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# case: ") {
            let files = vec![("app.py".to_owned(), String::new())];
            cases.push(Case { name: name.to_owned(), test: test_name(name), files, expected: Vec::new() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(path) = line.strip_prefix("# file: ") {
            case.files.push((path.to_owned(), String::new()));
        } else if let Some(expected) = line.strip_prefix("#> ").or_else(|| line.strip_prefix("#! ")) {
            case.expected.push(expected.to_owned());
        } else if let Some((_, text)) = case.files.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    cases
}

fn test_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// Scans a case's program in a directory of its own. Paths in the result are relative to it.
fn scan_case(case: &Case) -> Scan {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in &case.files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut scan = scan(&Options { paths: vec![dir.path().to_owned()], ..Options::default() }).unwrap();
    let prefix = format!("{}/", dir.path().display());
    for finding in &mut scan.findings {
        finding.location.path = finding.location.path.replacen(&prefix, "", 1);
    }
    scan
}

/// Returns a finding as the cases state it.
fn label(finding: &Finding) -> String {
    let mut names = vec![finding.function.as_str()];
    names.extend(finding.way.iter().map(|step| step.callee.as_str()));
    format!("{} {}:{} {}", finding.code, finding.location.path, finding.location.line, names.join(" > "))
}

/// Checks that a scan of a case reports the stated findings and no others.
fn check(file: &str, test: &str) {
    let mut cases: Vec<Case> = cases(file).into_iter().filter(|case| case.test == test).collect();
    assert_eq!(cases.len(), 1, "{file}.py must have one case with the test name {test}");
    let case = cases.remove(0);
    let found: Vec<String> = scan_case(&case).findings.iter().map(label).collect();
    assert_eq!(found, case.expected, "found (left) and expected (right) in the case {:?} of {file}.py", case.name);
}

/// Makes a test of each case, in a module for each file.
macro_rules! tests {
    ($($file:ident: $($case:ident)*;)*) => {
        $(mod $file {
            $(#[test]
            fn $case() {
                super::check(stringify!($file), stringify!($case));
            })*
        })*

        /// The tests of each file.
        const TESTS: &[(&str, &[&str])] = &[$((stringify!($file), &[$(stringify!($case)),*])),*];
    };
}

#[test]
fn every_case_has_a_test() {
    let tests: BTreeSet<(String, String)> = TESTS
        .iter()
        .flat_map(|(file, tests)| tests.iter().map(|test| ((*file).to_owned(), (*test).to_owned())))
        .collect();
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let names = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    let labelled: BTreeSet<(String, String)> =
        names.flat_map(|file| cases(&file).into_iter().map(move |case| (file.clone(), case.test))).collect();
    assert_eq!(tests, labelled, "add the tests of new cases to the list below");
}

tests! {
    blocking_call_in_thread:
        to_thread
        a_helper_in_an_executor
        not_a_computation_in_a_thread
        a_client_in_a_thread_pool
        anyio_through_a_method
        a_lambda_in_a_thread
        a_partial_in_the_framework_s_pool
        not_from_a_plain_function
    ;
    blocking_in_async:
        a_direct_call
        an_import_under_another_name
        a_function_imported_from_a_module
        through_one_helper
        through_three_helpers_in_two_files
        a_session_in_an_attribute
        a_service_object_a_base_class_a_property
        a_parameter_s_annotation
        an_optional_annotation_in_a_string
        depends_of_a_function
        annotated_depends
        a_class_method_and_a_static_method
        super_of_a_method
        a_protocol_s_implementation
        a_decorator_of_the_program
        a_partial_function
        a_function_in_a_dictionary
        a_function_passed_as_an_argument
        a_nested_function
        a_re_export
        an_sdk
        a_subclass_of_a_session
        a_context_manager_of_a_client
        urlopen
        the_nearest_coroutine_is_reported
        a_session_of_sqlalchemy
        a_query_chain
        a_sessionmaker
        sqlmodel
        redis_kept_in_a_module
        a_cursor
        time_sleep
        a_subprocess_in_a_helper
        a_future_s_result
        a_lock_in_an_attribute
        not_a_plain_route_runs_in_a_thread
        in_a_thread_to_thread
        in_a_thread_a_lambda_given_to_to_thread
        in_a_thread_run_in_executor
        in_a_thread_anyio
        in_a_thread_run_in_threadpool
        not_the_target_of_a_new_thread
        in_a_thread_a_function_of_the_program_that_calls_to_thread
        not_a_plain_dependency_runs_in_a_thread
        not_get_of_a_dictionary
        not_a_method_of_the_same_name
        not_an_asynchronous_client
        not_asyncio_sleep
        not_an_asyncio_lock
        not_foo_x_get
        not_nobody_calls_the_helper
        not_a_local_name_hides_the_library
        a_vendor_s_client_by_the_chain_of_its_resources
        a_vendor_s_client_with_other_options
        a_bucket_that_a_storage_client_gives
        django_s_manager_of_a_model
        a_collection_of_a_database_of_a_client
        not_preparing_a_pipeline_of_redis_or_a_database_of_mongo
        not_django_s_lazy_query
        not_a_url_that_is_signed_locally
        not_an_asynchronous_vendor_s_client
        not_a_queue_without_a_bound_never_waits
        not_the_awaited_side_of_a_client_that_has_two
        not_another_function_under_the_same_decorator
        the_one_of_several_functions_under_a_decorator
        not_another_function_that_a_decorator_marked
        a_function_that_a_decorator_marked
        not_a_dispatcher_that_may_call_any_function
        not_a_method_that_a_test_replaces
        not_asked_not_to_wait
        not_a_future_of_the_event_loop_waited_for_in_another_thread
        waiting_for_a_submitted_job
        three_findings_at_most_for_one_call_with_the_shortest_call_paths
        depends_in_an_annotation_that_has_a_name
        contextlib_closing_and_an_exit_stack
    ;
    call_in_loop:
        a_loop_over_elements
        a_comprehension_through_a_helper
        awaited_together
        a_query_for_each_row
        a_method_of_a_service
        not_turning_pages
        a_retry_loop_is_no_loop_over_elements
        not_once_before_the_loop
        not_zip_and_listdir
        not_a_loop_in_another_function
        a_query_in_a_comprehension_through_a_repository
        a_cursor_in_a_loop
        awaited_one_after_another
        not_one_query_many_rows
        not_a_loop_over_one_element
        not_a_loop_that_only_makes_functions
        loops_over_itertools_count_and_other_counters
    ;
    client_per_call:
        for_every_request
        in_a_helper_of_a_route
        in_each_round_of_a_loop
        not_once_in_a_module
        not_once_in_a_constructor
        not_cached
        not_a_script
        a_tls_context_for_every_request
        a_cloud_client_in_each_round_of_a_loop
    ;
    http2_and_grpc:
        http2_over_cleartext
        uvicorn_with_http2
        a_channel_in_a_coroutine
        not_over_https
        not_prior_knowledge
        not_the_awaited_side
        a_client_of_a_method_over_cleartext
        not_http_2_is_not_requested
        a_secure_channel_in_a_coroutine
        a_synchronous_call_in_a_coroutine
        not_a_channel_of_a_plain_function
        not_an_awaited_call
        a_client_of_a_function_over_cleartext
        a_channel_of_a_method
    ;
    json_and_responses:
        json_while_a_request_is_answered
        a_datetime
        a_decimal_in_a_list
        bytes_and_a_set
        an_object_of_the_program
        vars_in_a_response
        a_dict_of_an_object_is_returned
        all_rows
        not_converted
        not_with_a_default
        not_json_in_a_script
        not_a_page_of_rows
        not_an_enum
        json_in_a_helper_of_a_route
        json_loads_while_a_request_is_answered
        another_name_of_json_in_a_method
        a_copy_of_an_object_s_dict_in_a_list
        vars_through_a_helper
        not_vars_that_stay_inside
        all_rows_of_a_helper
        all_rows_in_a_dictionary
        not_the_first_row
        all_rows_through_a_repository
        not_a_set_that_became_a_list
        not_the_elements_of_a_set
        not_a_value_of_the_same_name_from_another_caller
        not_printed_by_a_command
        not_one_attribute_of_an_object
        not_a_cursor_whose_query_may_have_a_limit
    ;
    missing_timeout:
        requests
        a_session
        a_timeout_of_none
        httpx_with_its_default_limit_removed
        aiohttp_without_a_limit
        urlopen
        not_a_timeout_is_given
        not_the_default_limit_of_httpx
        not_perhaps_in_the_keyword_arguments
        not_the_third_argument_of_urlopen
        not_a_session_class_of_the_program_sets_it
    ;
    resolution:
        a_diamond_the_method_order_is_python_s_not_depth_first
        super_in_a_diamond_goes_to_the_sibling
        a_property_on_a_base
        a_cached_property_that_makes_the_session
        an_attribute_of_a_class
        an_annotated_attribute_of_a_class
        an_abstract_method_s_implementation
        a_template_method
        a_decorator_that_wraps
        a_decorator_with_arguments
        a_decorator_that_is_a_class
        a_library_s_decorator_keeps_the_function
        entering_a_context
        leaving_a_context
        a_context_manager_that_is_a_generator
        what_a_generator_yields
        items_of_yield_from
        an_iterator_of_the_program
        raising_an_exception_whose_constructor_calls_a_service
        a_list_of_functions
        a_dictionary_that_is_filled_later
        a_dictionary_updated_from_another
        an_element_that_was_replaced
        an_element_that_is_replaced_in_one_branch_only
        an_element_that_a_loop_restores
        a_slice_of_a_list
        the_default_of_an_argument_that_is_left_out
        not_the_default_of_an_argument_that_is_always_given
        partial_of_a_method_called_elsewhere
        a_lambda
        a_lambda_as_the_key_of_sorted
        a_function_that_a_function_returns
        through_a_function_that_returns_its_parameter
        a_factory_with_an_annotation
        an_element_s_annotation
        a_dictionary_s_annotation
        a_dataclass_s_field
        the_class_of_an_object_that_is_passed_on
        depends_of_a_class
        getattr_with_a_name
        an_attribute_of_a_module_that_another_sets
        a_namespace_package
        the_src_layout
        relative_imports_two_levels_up
        the_last_star_import_wins
        an_import_of_a_module_by_its_whole_path
        an_import_inside_a_function
        one_of_two_imports
        modules_that_import_each_other
        recursion_ends
        a_global_that_a_function_sets
        an_assignment_in_an_expression
        one_of_two_by_a_condition
        arguments_in_a_tuple_and_a_dictionary
        not_a_name_that_was_bound_to_something_else_before
        not_a_parameter_of_the_same_name_as_a_function
        not_a_nested_function_that_is_not_called
        not_a_method_of_another_class_of_the_same_name
        not_a_method_that_a_subclass_overrides
        not_a_text_s_and_a_list_s_own_methods
        a_decorator_that_registers_each_function_and_hands_it_back
        calls_in_a_chain_each_of_which_hands_the_object_back
        a_parameter_that_is_returned_sometimes_changed
        a_default_that_is_handed_back
        an_object_with_both_context_protocols_is_entered_by_the_one_that_is_used
        a_method_that_takes_one_tuple_has_its_object_first_in_it
    ;
    serial_awaits:
        two_independent_calls
        not_the_second_needs_the_first
        not_in_two_branches
        not_the_second_writes
        two_of_a_service_of_the_program
        three_reported_once
        aiohttp
        not_calls_that_run_together_already
        not_one_of_them_is_local
        through_helpers_whose_names_say_that_they_read
        not_helpers_that_check_and_that_refresh
    ;
    unsafe_retry:
        tenacity_without_a_limit
        a_loop_without_a_pause
        urllib3_for_all_methods
        not_with_a_limit_and_a_pause
        not_a_loop_that_pauses
        tenacity_without_parentheses
        backoff_without_a_limit
        urllib3_without_a_pause
        a_counted_loop_without_a_pause_through_a_helper
        not_the_pause_is_in_a_helper
        a_loop_that_success_leaves
        not_pages_inside_a_try
        not_pages_with_another_way_where_one_fails
        not_a_failure_ends_the_loop
    ;
}
